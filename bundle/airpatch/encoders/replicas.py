"""The encoder replicas by name. A name always means the same output (see spec/ENCODERS.md).

A replica turns uncompressed data into the deflate stream of a gzip member, bit for bit as the encoder that it is
named after; the gzip header and trailer are the caller's.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Protocol, cast

from airpatch.encoders import go_fast, go_match, klauspost_chains, klauspost_matcher
from airpatch.encoders.blockwise import BlockwiseDeflater, Cutter, EvenCuts, OneSection
from airpatch.encoders.first_blocks import (
    Rule,
    flushed_rule,
    gzip_rule,
    piece_rule,
    rsyncable_rule,
    token_rule,
    zlib_rule,
    zlibng_rule,
)
from airpatch.encoders.flushed import FLUSHED, Flushable, FlushedDeflater
from airpatch.encoders.go import GoDeflater, GoFastDeflater
from airpatch.encoders.klauspost_versions import FIRST_LAZY_LEVEL, VERSIONS, MakeKlauspost, make_go_1_27
from airpatch.encoders.pigz import RsyncableCuts
from airpatch.encoders.precedent import Precedent
from airpatch.encoders.spending import Spend
from airpatch.encoders.zlib import PIGZ_BLOCK, PIGZ_DICTIONARY, ZlibDeflater
from airpatch.encoders.zlib_levels import SEARCHES
from airpatch.encoders.zlib_match import ZlibMatcher
from airpatch.encoders.zlibng import ZlibNgDeflater
from airpatch.encoders.zlibng_levels import MEDIUM_LEVELS, traits
from airpatch.encoders.zlibng_levels import VERSIONS as ZLIB_NG_VERSIONS
from airpatch.encoders.zlibng_match import ZlibNgMatcher
from airpatch.errors import FormatError

PGZIP_BLOCK = 1 << 20
PGZIP_DICTIONARY = 16 << 10
_FIRST_LAZY = 4
"""The first level of Go and of zlib at which every byte enters the chains."""
_AHEAD = 64 << 10
"""Bytes that a precedent is told before they are compressed: a search need not begin where they happen to end."""
_BYTE = 4
"""Steps in the time that each byte takes at least."""
_QUICK = 1 << 14
"""Steps in the time that a stream of zlib's takes to begin and to end."""
_GO, _KLAUSPOST, _ZLIB_NG = 4, 3, 4
"""The weights of searches that look at fewer candidates than zlib's: those of chains by four bytes."""
NEARBY = 1 << 10
"""Bytes, more than two matches."""
_LONG_SEARCHES = (8, 9)
"""Levels at which an encoder looks for matches several times as long as at its usual one."""


class Deflater(Protocol):
    """One deflate stream under construction."""

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        ...

    def finish(self) -> bytes:
        """Return the last compressed bytes; nothing may be fed after it."""
        ...


class CountingDeflater(Deflater, Protocol):
    """One that counts its work."""

    @property
    def steps(self) -> int:
        """The steps that its search has taken (airpatch.encoders.spending)."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderReplica:
    """An encoder at one of its levels, and what is known about it.

    `make` returns a new deflater that writes as the encoder does; encoders that compress blocks in parallel do so in
    the pool, if one is given. `may_begin` tells whether a stream of this encoder can begin with a block.
    """

    make: Callable[[Executor | None], CountingDeflater]
    may_begin: Rule
    heed: Callable[[Precedent], CountingDeflater] | None = None
    """Returns a new deflater that takes over what the same encoder decided before, where that can be done."""
    searches_long: bool = False
    """Whether it looks for matches several times as long as at its usual level."""
    flushes_often: bool = False
    """Whether it ends its blocks, and all matches, every few KiB."""
    beginning: int = 1 << 18
    """Steps in the time that a stream takes to begin and to end, with tables of several hundred KiB."""
    decides_nearby: bool = False
    """Whether no token depends on more than `NEARBY` bytes behind it. At Go's level 1, all matches depend on how
    many a block has."""
    weight: int = 1
    """Steps that one of its search counts as: the search of zlib takes as many more of them for real content."""


def deflater(
    name: str,
    pool: Executor | None = None,
    precedent: Precedent | None = None,
    search: Spend | None = None,
) -> Deflater:
    """Return a new deflater that writes as the encoder of that name does.

    Encoders that compress blocks in parallel (pgzip, pigz) do so in `pool`, if given. What the same encoder decided
    before is taken over from `precedent`. `search` receives the steps that are taken. Raises FormatError for an unknown
    name, or if that cannot be done.
    """
    found = replica(name)
    if precedent is None:
        made: CountingDeflater = found.make(pool)
    elif found.heed is None:
        raise FormatError(f"encoder {name!r} takes no decisions over from a source")
    else:
        made = _LookingAhead(found.heed(precedent), precedent)
    if search is None:
        return made
    search(found.beginning)
    return _Counted(made, found.weight, search)


class _Counted:
    """Tells `search` which steps of that `weight` a deflater has taken, and `_BYTE` for each byte."""

    def __init__(self, deflater: CountingDeflater, weight: int, search: Spend) -> None:
        self._deflater = deflater
        self._weight = weight
        self._search = search
        self._told = 0

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        out = self._deflater.feed(data)
        self._tell(_BYTE * len(data))
        return out

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        out = self._deflater.finish()
        self._tell(0)
        return out

    def _tell(self, besides: int) -> None:
        before, self._told = self._told, self._deflater.steps
        self._search(self._weight * (self._told - before) + besides)


class _LookingAhead:
    """A deflater that heeds a precedent, which is told what comes `_AHEAD`."""

    def __init__(self, deflater: CountingDeflater, precedent: Precedent) -> None:
        self._deflater = deflater
        self._precedent = precedent
        self._held: deque[bytes] = deque()
        self._size = 0  # of what is held

    @property
    def steps(self) -> int:
        """The steps that the search has taken."""
        return self._deflater.steps

    def feed(self, data: bytes) -> bytes:
        self._precedent.take(memoryview(data))
        self._held.append(data)
        self._size += len(data)
        return self._compressed(_AHEAD)

    def finish(self) -> bytes:
        return self._compressed(0) + self._deflater.finish()

    def _compressed(self, ahead: int) -> bytes:
        """Compress the pieces behind which there are at least so many bytes."""
        out = []
        while self._held and self._size - len(self._held[0]) >= ahead:
            data = self._held.popleft()
            self._size -= len(data)
            out.append(self._deflater.feed(data))
        return b"".join(out)


def replica(name: str) -> EncoderReplica:
    """Return the replica of that name. Raises FormatError for an unknown one."""
    found = _USUAL.get(name) or _OTHERS.get(name) or _FLUSHED.get(name)
    if found is None:
        raise FormatError(f"unknown encoder {name!r}")
    return found


def usual_names() -> tuple[str, ...]:
    """Return the names of the replicas that write nearly all layers, those most often met first."""
    return tuple(_USUAL)


def other_names() -> tuple[str, ...]:
    """Return the names of all other replicas, but for the flushed ones."""
    return tuple(_OTHERS)


def flushed_names() -> tuple[str, ...]:
    """Return the names of those that write as one of the others does, if that is flushed before its end."""
    return tuple(_FLUSHED)


def flushed_name(name: str) -> str | None:
    """Return the name of what writes as the replica of that `name` does if it is flushed before its end, None if there
    is none.
    """
    return name + FLUSHED if name + FLUSHED in _FLUSHED else None


def _go(level: int) -> EncoderReplica:
    if level == 1:
        return EncoderReplica(lambda _: GoFastDeflater(), piece_rule(go_fast.BLOCK))
    return EncoderReplica(
        lambda _: GoDeflater(level),
        token_rule(go_match.BLOCK_TOKENS),
        (lambda precedent: GoDeflater(level, precedent)) if level >= _FIRST_LAZY else None,
        level in _LONG_SEARCHES,
        decides_nearby=True,
        weight=_GO,
    )


def _klauspost(make: MakeKlauspost, level: int) -> EncoderReplica:
    return EncoderReplica(
        lambda _: make(level, b""), _klauspost_rule(level), None, level in _LONG_SEARCHES, weight=_KLAUSPOST
    )


def _pgzip(make: MakeKlauspost, level: int) -> EncoderReplica:
    return EncoderReplica(
        lambda pool: BlockwiseDeflater(
            lambda dictionary: make(level, dictionary), EvenCuts(PGZIP_BLOCK), PGZIP_DICTIONARY, True, pool
        ),
        _klauspost_rule(level, PGZIP_BLOCK),
        None,
        level in _LONG_SEARCHES,
        weight=_KLAUSPOST,
    )


def _klauspost_rule(level: int, section: int = 0) -> Rule:
    if level >= FIRST_LAZY_LEVEL:
        return token_rule(klauspost_chains.BLOCK_TOKENS, section)
    return piece_rule(klauspost_matcher.BLOCK, section)


def _zlib(level: int, memory_level: int = 8) -> EncoderReplica:
    return EncoderReplica(
        lambda _: ZlibDeflater(ZlibMatcher(SEARCHES[level], memory_level)),
        zlib_rule((64 << memory_level) - 1),
        _heeding_zlib(level, memory_level),
        level in _LONG_SEARCHES,
        decides_nearby=True,
        beginning=_QUICK,
    )


def _gzip(level: int) -> EncoderReplica:
    return EncoderReplica(
        lambda _: ZlibDeflater(ZlibMatcher(SEARCHES[level], gzip=True)),
        gzip_rule(level),
        _heeding_zlib(level, gzip=True),
        level in _LONG_SEARCHES,
        decides_nearby=True,
    )


def _heeding_zlib(
    level: int, memory_level: int = 8, gzip: bool = False
) -> Callable[[Precedent], CountingDeflater] | None:
    if level < _FIRST_LAZY:
        return None
    return lambda precedent: ZlibDeflater(ZlibMatcher(SEARCHES[level], memory_level, gzip, precedent=precedent))


def _pigz(level: int, rsyncable: bool = False, threads: bool = True) -> EncoderReplica:
    def cuts() -> Cutter:
        return RsyncableCuts() if rsyncable else EvenCuts(PIGZ_BLOCK)

    def section(dictionary: bytes) -> ZlibDeflater:
        return ZlibDeflater(ZlibMatcher(SEARCHES[level], dictionary=dictionary))

    def make(pool: Executor | None) -> CountingDeflater:
        if threads:
            return BlockwiseDeflater(section, cuts(), PIGZ_DICTIONARY, False, pool)
        return BlockwiseDeflater(section, OneSection(cuts()), PIGZ_DICTIONARY, False)

    rule = (rsyncable_rule if rsyncable else zlib_rule)((64 << 8) - 1, PIGZ_BLOCK)
    return EncoderReplica(make, rule, None, level in _LONG_SEARCHES, rsyncable, _QUICK, decides_nearby=True)


def _zlibng(version: str, level: int, piece: int = 0) -> EncoderReplica:
    known = traits(version, level)
    return EncoderReplica(
        lambda _: ZlibNgDeflater(ZlibNgMatcher(known), piece),
        zlibng_rule((64 << 8) - 1, known.shortest),
        None,
        level in _LONG_SEARCHES,
        beginning=_QUICK,
        weight=_ZLIB_NG,
    )


def _flushed(encoder: EncoderReplica) -> EncoderReplica:
    def ended(deflater: CountingDeflater) -> CountingDeflater:
        return FlushedDeflater(cast(Flushable, deflater))

    make, heed = encoder.make, encoder.heed
    return replace(
        encoder,
        make=lambda pool: ended(make(pool)),
        may_begin=flushed_rule(encoder.may_begin),
        heed=None if heed is None else lambda precedent: ended(heed(precedent)),
    )


def _replicas() -> tuple[dict[str, EncoderReplica], dict[str, EncoderReplica]]:
    levels = (6, 9, 1, 2, 3, 4, 5, 7, 8)
    usual: dict[str, EncoderReplica] = {"go1-flate-6": _go(6)}
    others: dict[str, EncoderReplica] = {}
    for version, (make, supported) in VERSIONS.items():
        for level in supported:
            # Level 5 is the default, 6 Go's, 1 and 9 are what users ask for; other levels of old versions are rare.
            target = usual if level in (5, 6) or (version == "1.18.2" and level in (1, 9)) else others
            target[f"pgzip/klauspost-{version}-{level}"] = _pgzip(make, level)
            target[f"klauspost-{version}-{level}"] = _klauspost(make, level)
    usual["go1.27-flate-9"] = _klauspost(make_go_1_27, 9)
    for level in levels:
        target = usual if level in (1, 6, 9) else others
        target[f"zlib-{level}"] = _zlib(level)
        target[f"gzip-{level}"] = _gzip(level)
        target[f"pigz-{level}"] = _pigz(level)
        target[f"go1-flate-{level}"] = _go(level)
    for level in levels:
        target = usual if level in (6, 9) else others
        target[f"pigz-{level}-rsyncable"] = _pigz(level, rsyncable=True)
    for level in (1, 2, 3):  # at higher levels, all bytes of a dictionary can be found, as if there were no sections
        others[f"pigz-{level}-p1"] = _pigz(level, threads=False)
        others[f"pigz-{level}-p1-rsyncable"] = _pigz(level, rsyncable=True, threads=False)
    for memory_level in (9, 1, 2, 3, 4, 5, 6, 7):
        for level in levels:
            others[f"zlib-{level}-mem{memory_level}"] = _zlib(level, memory_level)
    for version, supported in ZLIB_NG_VERSIONS.items():
        for level in supported:
            others[f"zlib-ng-{version}-{level}"] = _zlibng(version, level)
            if level in MEDIUM_LEVELS:
                others[f"zlib-ng-{version}-{level}-8k"] = _zlibng(version, level, 8 << 10)
    return usual, others


_USUAL, _OTHERS = _replicas()
_FLUSHED = {
    name + FLUSHED: _flushed(encoder)
    for name, encoder in {**_USUAL, **_OTHERS}.items()
    if re.fullmatch(r"zlib-.|go1-flate-.|go1\.27-flate-9|klauspost-1\.18\.2-[1-8]", name)
}
