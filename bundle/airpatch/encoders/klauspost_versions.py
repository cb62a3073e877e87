"""The versions of klauspost/compress flate: which matcher and which writer each level of them has.

A version is named after the first release with that output; the ranges are in spec/ENCODERS.md.
"""

from __future__ import annotations

from collections.abc import Callable

from airpatch.encoders.klauspost import KlauspostDeflater, KlauspostLazyDeflater
from airpatch.encoders.klauspost_blocks import KlauspostWriter
from airpatch.encoders.klauspost_chains import LAZY_SEARCHES, LazyMatcher, LazyVariant
from airpatch.encoders.klauspost_deep import DeepMatcher
from airpatch.encoders.klauspost_fast import LongShortMatcher, PairMatcher, TwinMatcher
from airpatch.encoders.klauspost_matcher import BlockMatcher
from airpatch.encoders.klauspost_old import OlderKlauspostWriter, OldestKlauspostWriter, OldKlauspostWriter

Klauspost = KlauspostDeflater | KlauspostLazyDeflater
MakeKlauspost = Callable[[int, bytes], Klauspost]
"""Make a deflater of a level, with a dictionary."""

FIRST_LAZY_LEVEL = 7
_ALL = 1 << 16  # no block has more tokens, no window more uncompressed data


def make_go_1_27(level: int, dictionary: bytes = b"") -> Klauspost:
    """Go's own `compress/flate` from 1.27 on, where it is not klauspost 1.18.2: at level 9."""
    return _lazy(level, dictionary, KlauspostWriter(8, trim=True), LazyVariant(uncoded=1))


def _version_1_18_2(level: int, dictionary: bytes) -> Klauspost:
    if level >= FIRST_LAZY_LEVEL:
        return _lazy(level, dictionary, KlauspostWriter(8, trim=True), LazyVariant())
    return KlauspostDeflater(_matcher(level), KlauspostWriter(7, trim=True), dictionary)


def _version_1_18_0(level: int, dictionary: bytes) -> Klauspost:
    if level >= FIRST_LAZY_LEVEL:
        return _lazy(level, dictionary, KlauspostWriter(8, trim=False), LazyVariant(weighed=_ALL))
    return KlauspostDeflater(_matcher(level), KlauspostWriter(7, trim=False), dictionary)


def _version_1_15_0(level: int, dictionary: bytes) -> Klauspost:
    matcher = LongShortMatcher(misplaces=False) if level == 4 else DeepMatcher(level, skip=0)
    return KlauspostDeflater(matcher, KlauspostWriter(7, trim=False), dictionary)


def _version_1_14_4(level: int, dictionary: bytes) -> Klauspost:
    if level >= FIRST_LAZY_LEVEL:
        return _lazy(level, dictionary, KlauspostWriter(8, trim=False), LazyVariant(skips=False, weighed=_ALL))
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, KlauspostWriter(7, trim=False), dictionary)


def _version_1_14_0(level: int, dictionary: bytes) -> Klauspost:
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, KlauspostWriter(7, trim=False, few_tokens=_ALL), dictionary)


def _version_1_12_3(level: int, dictionary: bytes) -> Klauspost:
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, OldKlauspostWriter(8, trim=False), dictionary)


def _version_1_12_2(level: int, dictionary: bytes) -> Klauspost:
    matcher = DeepMatcher(level, skip=0, piece=255)
    return KlauspostDeflater(matcher, OlderKlauspostWriter(8, trim=False), dictionary)


def _version_1_11_13(level: int, dictionary: bytes) -> Klauspost:
    matcher = DeepMatcher(level, skip=-1, piece=255)
    return KlauspostDeflater(matcher, OlderKlauspostWriter(8, trim=False), dictionary)


def _version_1_11_3(level: int, dictionary: bytes) -> Klauspost:
    matcher = DeepMatcher(level, skip=-1, piece=255)
    return KlauspostDeflater(matcher, OldestKlauspostWriter(6, trim=False), dictionary)


VERSIONS: dict[str, tuple[MakeKlauspost, tuple[int, ...]]] = {
    "1.15.10": (_version_1_18_0, (5, 6)),
    "1.18.2": (_version_1_18_2, (6, 5, 1, 9, 2, 3, 4, 7, 8)),
    "1.15.11": (_version_1_18_0, (1, 2, 3)),
    "1.15.0": (_version_1_15_0, (5, 6, 4)),
    "1.12.3": (_version_1_12_3, (5, 6)),
    "1.11.3": (_version_1_11_3, (5, 6)),
    "1.14.4": (_version_1_14_4, (5, 6, 7, 8, 9)),
    "1.14.0": (_version_1_14_0, (5, 6)),
    "1.12.2": (_version_1_12_2, (5, 6)),
    "1.11.13": (_version_1_11_13, (5, 6)),
    "1.15.15": (_version_1_18_0, (7, 8, 9)),
    "1.18.0": (_version_1_18_0, (4,)),
}
"""The levels that have a replica, by version; the ones most often met first."""


def _matcher(level: int) -> BlockMatcher:
    if level <= 2:
        return PairMatcher(level)
    if level == 3:
        return TwinMatcher()
    return LongShortMatcher() if level == 4 else DeepMatcher(level)


def _lazy(level: int, dictionary: bytes, writer: KlauspostWriter, variant: LazyVariant) -> Klauspost:
    return KlauspostLazyDeflater(LazyMatcher(LAZY_SEARCHES[level], variant, dictionary), writer)
