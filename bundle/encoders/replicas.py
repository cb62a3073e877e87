"""The encoder replicas by name. A name, once given, means the same output for ever (see spec/ENCODERS.md).

A replica turns plaintext into the deflate stream of a gzip member, bit for bit as the encoder that it is
named after; the gzip header and trailer are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from bundle.encoders.blockwise import BlockwiseDeflater
from bundle.encoders.go import GoDeflater, GoFastDeflater
from bundle.encoders.klauspost import HISTORY, KlauspostDeflater, KlauspostLazyDeflater
from bundle.encoders.klauspost_blocks import KlauspostWriter
from bundle.encoders.klauspost_chains import LAZY_SEARCHES, LazyMatcher, LazyVariant
from bundle.encoders.klauspost_deep import DeepMatcher
from bundle.encoders.klauspost_fast import LongShortMatcher, PairMatcher, TwinMatcher
from bundle.encoders.klauspost_matcher import BlockMatcher
from bundle.encoders.klauspost_old import OldestKlauspostWriter, OldKlauspostWriter
from bundle.encoders.zlib import PIGZ_BLOCK, PIGZ_DICTIONARY, ZlibDeflater
from bundle.encoders.zlib_match import SEARCHES, ZlibMatcher
from bundle.errors import FormatError

PGZIP_BLOCK = 1 << 20
PGZIP_DICTIONARY = 16 << 10
_ALL = 1 << 16  # no window holds more plaintext


class Deflater(Protocol):
    """One deflate stream in the making."""

    def feed(self, data: bytes) -> bytes:
        """Take plaintext; return compressed bytes, maybe none."""
        ...

    def finish(self) -> bytes:
        """Return the last compressed bytes; nothing may be fed after it."""
        ...


_Make = Callable[[Executor | None], Deflater]
_Klauspost = KlauspostDeflater | KlauspostLazyDeflater


def deflater(name: str, pool: Executor | None = None) -> Deflater:
    """Return a new deflater that writes as the encoder of that name does.

    Encoders that compress blocks in parallel (pgzip, pigz) do so in `pool`, if given. Raises FormatError for
    an unknown name.
    """
    make = _USUAL.get(name) or _OTHERS.get(name)
    if make is None:
        raise FormatError(f"unknown encoder {name!r}")
    return make(pool)


def usual_names() -> tuple[str, ...]:
    """Return the names of the replicas that write nearly all layers, those most often met first."""
    return tuple(_USUAL)


def other_names() -> tuple[str, ...]:
    """Return the names of all other replicas."""
    return tuple(_OTHERS)


def _go(level: int) -> _Make:
    return lambda _: GoFastDeflater() if level == 1 else GoDeflater(level)


def _block_matcher(level: int) -> BlockMatcher:
    if level <= 2:
        return PairMatcher(level)
    if level == 3:
        return TwinMatcher()
    return LongShortMatcher() if level == 4 else DeepMatcher(level)


def _lazy(level: int, dictionary: bytes, writer: KlauspostWriter, variant: LazyVariant) -> KlauspostLazyDeflater:
    return KlauspostLazyDeflater(LazyMatcher(LAZY_SEARCHES[level], variant, dictionary), writer)


def _klauspost_1_18_2(level: int, dictionary: bytes = b"") -> _Klauspost:
    if level >= 7:
        return _lazy(level, dictionary, KlauspostWriter(8, trim=True), LazyVariant())
    return KlauspostDeflater(_block_matcher(level), KlauspostWriter(7, trim=True), dictionary)


def _go_1_27(level: int) -> KlauspostLazyDeflater:
    return _lazy(level, b"", KlauspostWriter(8, trim=True), LazyVariant(uncoded=1))


def _klauspost_1_18_0(level: int, dictionary: bytes = b"") -> _Klauspost:
    """Versions 1.15.10 to 1.18.0, but level 4 as 1.18.0 only has it."""
    if level >= 7:
        return _lazy(level, dictionary, KlauspostWriter(8, trim=False), LazyVariant(weighed=_ALL))
    return KlauspostDeflater(_block_matcher(level), KlauspostWriter(7, trim=False), dictionary)


def _klauspost_1_15_0(level: int, dictionary: bytes = b"") -> _Klauspost:
    matcher = LongShortMatcher(misplaces=False) if level == 4 else DeepMatcher(level, skip=0)
    return KlauspostDeflater(matcher, KlauspostWriter(7, trim=False), dictionary)


def _klauspost_1_14_0(level: int, dictionary: bytes = b"") -> _Klauspost:
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, KlauspostWriter(7, trim=False), dictionary)


def _klauspost_1_14_2(level: int, dictionary: bytes = b"") -> _Klauspost:
    return _lazy(level, dictionary, KlauspostWriter(8, trim=False), LazyVariant(skips=False, weighed=_ALL))


def _klauspost_1_12_3(level: int, dictionary: bytes = b"") -> _Klauspost:
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, OldKlauspostWriter(8, trim=False), dictionary)


def _klauspost_1_11_13(level: int, dictionary: bytes = b"") -> _Klauspost:
    matcher = DeepMatcher(level, skip=-1, piece=255)
    return KlauspostDeflater(matcher, OldKlauspostWriter(8, trim=False), dictionary)


def _klauspost_1_11_3(level: int, dictionary: bytes = b"") -> _Klauspost:
    matcher = DeepMatcher(level, skip=-1, piece=255)
    return KlauspostDeflater(matcher, OldestKlauspostWriter(6, trim=False), dictionary, 2 * HISTORY)


def _pgzip(make: Callable[[int, bytes], _Klauspost], level: int) -> _Make:
    def compress(block: bytes, dictionary: bytes, last: bool) -> bytes:
        deflater = make(level, dictionary)
        out = deflater.feed(block) + deflater.flush()
        return out + deflater.finish() if last else out

    return lambda pool: BlockwiseDeflater(compress, PGZIP_BLOCK, PGZIP_DICTIONARY, True, pool)


def _zlib(level: int, memory_level: int = 8) -> _Make:
    return lambda _: ZlibDeflater(ZlibMatcher(SEARCHES[level], memory_level))


def _gzip(level: int) -> _Make:
    return lambda _: ZlibDeflater(ZlibMatcher(SEARCHES[level], gzip=True))


def _pigz(level: int) -> _Make:
    def compress(block: bytes, dictionary: bytes, last: bool) -> bytes:
        deflater = ZlibDeflater(ZlibMatcher(SEARCHES[level], dictionary=dictionary))
        return deflater.feed(block) + (deflater.finish() if last else deflater.flush())

    return lambda pool: BlockwiseDeflater(compress, PIGZ_BLOCK, PIGZ_DICTIONARY, False, pool)


def _single(make: Callable[[int], Deflater], level: int) -> _Make:
    return lambda _: make(level)


def _replicas() -> tuple[dict[str, _Make], dict[str, _Make]]:
    levels = (6, 9, 1, 2, 3, 4, 5, 7, 8)
    versions: tuple[tuple[str, Callable[..., _Klauspost], tuple[int, ...]], ...] = (
        ("1.15.10", _klauspost_1_18_0, (5, 6)),
        ("1.18.2", _klauspost_1_18_2, (6, 5, 1, 9, 2, 3, 4, 7, 8)),
        ("1.15.11", _klauspost_1_18_0, (1, 2, 3)),
        ("1.15.15", _klauspost_1_18_0, (9, 7, 8)),
        ("1.18.0", _klauspost_1_18_0, (4,)),
        ("1.15.0", _klauspost_1_15_0, (5, 6, 4)),
        ("1.14.2", _klauspost_1_14_2, (9, 7, 8)),
        ("1.14.0", _klauspost_1_14_0, (5, 6)),
        ("1.12.3", _klauspost_1_12_3, (5, 6)),
        ("1.11.13", _klauspost_1_11_13, (5, 6)),
        ("1.11.3", _klauspost_1_11_3, (5, 6)),
    )
    usual: dict[str, _Make] = {"go1-flate-6": _go(6), "go1.27-flate-9": _single(_go_1_27, 9)}
    others: dict[str, _Make] = {}
    for version, make, supported in versions:
        for level in supported:
            usual[f"pgzip/klauspost-{version}-{level}"] = _pgzip(make, level)
            usual[f"klauspost-{version}-{level}"] = _single(make, level)
    for level in levels:
        target = usual if level in (1, 6, 9) else others
        target[f"zlib-{level}"] = _zlib(level)
        target[f"gzip-{level}"] = _gzip(level)
        target[f"pigz-{level}"] = _pigz(level)
        target[f"go1-flate-{level}"] = _go(level)
    for memory_level in (9, 1, 2, 3, 4, 5, 6, 7):
        for level in levels:
            others[f"zlib-{level}-mem{memory_level}"] = _zlib(level, memory_level)
    return usual, others


_USUAL, _OTHERS = _replicas()
