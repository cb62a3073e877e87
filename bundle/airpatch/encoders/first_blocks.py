"""Which encoders can have written the first block of a deflate stream? Told from where it ends.

An encoder ends a block when some buffer is full: of tokens, or of uncompressed data. So most encoders are ruled out
before any of them has to run. A rule never rules out the encoder that it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airpatch.encoders.pigz_hash import RollingHash


@dataclass(frozen=True, slots=True)
class FirstBlock:
    """The first block of a stream, one with tokens."""

    tokens: int
    shortest: int  # match; 258 if there is none
    uncompressed: bytes
    final: bool  # by its header
    ends: bool  # no uncompressed data follows

    @property
    def size(self) -> int:
        """Bytes of uncompressed data."""
        return len(self.uncompressed)


Rule = Callable[[FirstBlock], bool]


def zlib_rule(tokens: int, section: int = 0) -> Rule:
    """Blocks of so many tokens; the last one is final, but that of a `section` that others follow."""
    return lambda block: block.final or block.tokens == tokens or block.size == section


def zlibng_rule(tokens: int, shortest: int) -> Rule:
    """As `zlib_rule`, and no match is shorter than `shortest`."""
    base = zlib_rule(tokens)
    return lambda block: block.shortest >= shortest and base(block)


def rsyncable_rule(tokens: int, section: int) -> Rule:
    """As `zlib_rule`, and a block ends with the first piece."""
    base = zlib_rule(tokens, section)

    def rule(block: FirstBlock) -> bool:
        cut = RollingHash().find_cut(block.uncompressed)
        return cut == block.size or (cut == 0 and block.size <= section and base(block))

    return rule


def gzip_rule(level: int) -> Rule:
    """Blocks of 32767 tokens; from level 3 on, of a multiple of 4096 tokens when that seems worth it."""
    step = 4096 if level >= 3 else 32767
    return lambda block: block.final or block.tokens == 32767 or block.tokens % step == 0


def token_rule(tokens: int, section: int = 0) -> Rule:
    """Blocks, or pieces that may join an open one, of so many tokens; none with tokens is final."""
    return lambda block: not block.final and (block.ends or block.tokens % tokens == 0 or block.size == section)


def flushed_rule(base: Rule) -> Rule:
    """As `base`, of encoders that are flushed before they end: no block with tokens is final."""
    return lambda block: not block.final and (block.ends or base(block))


def piece_rule(size: int, section: int = 0) -> Rule:
    """As `token_rule`, but of so many bytes of uncompressed data."""
    return lambda block: not block.final and (block.ends or block.size % size == 0 or block.size == section)
