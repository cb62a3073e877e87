"""The versions of klauspost/compress zstd: which matcher and which rules of blocks each level of them has.

A version is named after the first release with that output; the ranges are in spec/ENCODERS.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from airpatch.encoders.kzstd import KlauspostZstd
from airpatch.encoders.kzstd_best import Backwards, BestMatcher
from airpatch.encoders.kzstd_best_old import MatchChoice, OldBestMatcher
from airpatch.encoders.kzstd_better import BetterMatcher
from airpatch.encoders.kzstd_blocks import BlockRules, ZstdBlockWriter
from airpatch.encoders.kzstd_fast import DefaultMatcher, FastestMatcher
from airpatch.encoders.kzstd_matcher import ZstdMatcher

_T = TypeVar("_T")
_MIB = 1 << 20
_FASTEST_BLOCK = 64 << 10
_BLOCK = 128 << 10

_RULES = {
    "1.17.8": BlockRules(),
    "1.17.0": BlockRules(runs=False),
    "1.16.4": BlockRules(runs=False, fewest=33, compares=False),
    "1.14.2": BlockRules(runs=False, fewest=33, compares=False, margin=5, keeps_full=True),
}
"""The rules of blocks by the first version with them, the newest first."""

_CODED_LITERALS = {
    "1.16.4": ("better", "best"),
    "1.14.2": ("default", "better", "best"),
}
"""The levels at which blocks without a match are coded, by the first version."""

_MATCHERS: dict[str, dict[str, tuple[int, Callable[[int], ZstdMatcher]]]] = {
    "fastest": {"1.14.3": (4, FastestMatcher)},
    "default": {"1.14.2": (8, DefaultMatcher)},
    "better": {
        "1.17.8": (8, BetterMatcher),
        "1.17.5": (8, lambda reach: BetterMatcher(reach, runs=False)),
        "1.17.3": (16, lambda reach: BetterMatcher(reach, runs=False)),
        "1.15.10": (16, lambda reach: BetterMatcher(reach, runs=False, remembers=False)),
        "1.14.2": (16, lambda reach: BetterMatcher(reach, runs=False, remembers=False, skip=0)),
    },
    "best": {
        "1.17.8": (8, BestMatcher),
        "1.17.6": (8, lambda reach: BestMatcher(reach, runs=False)),
        "1.17.5": (8, lambda reach: BestMatcher(reach, runs=False, backwards=Backwards.ALL)),
        "1.17.3": (32, lambda reach: BestMatcher(reach, runs=False, backwards=Backwards.ALL)),
        "1.16.4": (32, lambda reach: BestMatcher(reach, runs=False, backwards=Backwards.NEW, enters_last=False)),
        "1.16.1": (32, lambda reach: OldBestMatcher(reach, MatchChoice.IMPROVING)),
        "1.15.13": (32, lambda reach: OldBestMatcher(reach, MatchChoice.PAIRED)),
        "1.14.2": (32, lambda reach: OldBestMatcher(reach, MatchChoice.IN_ORDER)),
    },
}
"""Matchers and their windows in MiB, by level and the first version with them, the newest first."""

_WITHOUT_RUNS = {("better", "1.17.8"): "1.17.5", ("best", "1.17.8"): "1.17.6"}
"""Matchers that differ in blocks of one byte repeated alone, by level, and the first version of the older one."""

_FRAMES_NOTHING = "1.18.5"


def versions(level: str) -> list[str]:
    """Return the first versions of all outputs of a level, the newest first.

    The output of the very newest differs from that before it for empty input only, so it comes last.
    """
    oldest = min(_MATCHERS[level], key=_order)
    firsts = {first for first in (*_RULES, *_MATCHERS[level]) if _order(first) >= _order(oldest)}
    return [*sorted(firsts, key=_order, reverse=True), _FRAMES_NOTHING]


def window(version: str, level: str) -> int:
    """Return the window in bytes; `version` is one of `versions(level)`."""
    return _valid(_MATCHERS[level], version)[0] * _MIB


def search(version: str, level: str) -> str:
    """Return the first version that finds the same matches as `version`, which is one of `versions(level)`."""
    return next(first for first in _MATCHERS[level] if _order(first) <= _order(version))


def plain_search(version: str, level: str) -> str:
    """Return the first version that finds the same matches, but for blocks of one byte repeated."""
    found = search(version, level)
    return _WITHOUT_RUNS.get((level, found), found)


def klauspost_zstd(version: str, level: str) -> KlauspostZstd:
    """Return a frame under construction; `version` is one of `versions(level)`."""
    reach, matcher = _valid(_MATCHERS[level], version)
    frames_nothing = _order(version) >= _order(_FRAMES_NOTHING)
    blocks = ZstdBlockWriter(rules(version, level))
    return KlauspostZstd(matcher(reach * _MIB), blocks, reach * _MIB, block_size(level), frames_nothing)


def block_size(level: str) -> int:
    """Return how many bytes of uncompressed data a block has that is neither the last one nor flushed."""
    return _FASTEST_BLOCK if level == "fastest" else _BLOCK


def rules(version: str, level: str) -> BlockRules:
    """Return the rules of blocks; `version` is one of `versions(level)`."""
    found = _valid(_RULES, version)
    return replace(found, codes_literals=True) if level in _valid(_CODED_LITERALS, version) else found


def _valid(by_version: dict[str, _T], version: str) -> _T:
    """Return what is valid at a version."""
    return next(value for first, value in by_version.items() if _order(first) <= _order(version))


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
