"""What each version of airpatch can carry out: the table by which a sender aims at an older one.

A feature comes with a minor release; releases that differ in their third number alone have the same features. Features
that `_LATER` does not name came with the first release.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from airpatch.encoders.libbrotli import brotli_names
from airpatch.encoders.libzopfli import zopfli_names
from airpatch.encoders.libzstd import AVAILABLE
from airpatch.encoders.replicas import flushed_names, other_names, usual_names
from airpatch.encoders.zstd_replicas import libzstd_names, zstd_names
from airpatch.encoders.zstd_stream import once_names
from airpatch.errors import UsageError
from airpatch.format.features import encoder_feature, is_version, view_feature
from airpatch.views.framings import BROTLI, FRAMINGS

VERSIONS = ("0.1",)
"""Released, or about to be, the oldest first. The last one is this airpatch."""
_LATER: Mapping[str, str] = {}
"""The version that brought a feature, by its name, such as `encoder zlib-6`."""


@cache
def known_features() -> frozenset[str]:
    """Return the names of all features that this airpatch has (spec/FORMAT.md, Features)."""
    encoders = (*usual_names(), *other_names(), *flushed_names(), *zstd_names(), *_names_of_libraries())
    return frozenset((*map(encoder_feature, encoders), *map(view_feature, FRAMINGS)))


@cache
def features_of_this_host() -> frozenset[str]:
    """Return those that can be carried out here: uncompiled, airpatch has no libzstd, libbrotli and zopfli."""
    if AVAILABLE:
        return known_features()
    return known_features().difference(map(encoder_feature, _names_of_libraries()), [view_feature(BROTLI)])


def _names_of_libraries() -> tuple[str, ...]:
    return (*libzstd_names(), *once_names(), *brotli_names(), *zopfli_names())


def since(feature: str) -> str:
    """Return the version that brought the feature of that name."""
    return _LATER.get(feature, VERSIONS[0])


def features_of(version: str) -> frozenset[str]:
    """Return the features of a version such as `0.1` or `0.1.3`. Raises UsageError if it is none of `VERSIONS`."""
    minor = _numbers(version)[:2] if is_version(version) else []
    for each in VERSIONS:
        if _numbers(each) == minor:
            return frozenset(name for name in known_features() if _numbers(since(name)) <= minor)
    raise UsageError(
        f"{version}: no version of airpatch that this one, {VERSIONS[-1]}, knows; it knows {', '.join(VERSIONS)}. "
        "A newer version reads everything that this one writes"
    )


def newest(versions: list[str]) -> str:
    """Return the newest of `versions`, at least one."""
    return max(versions, key=_numbers)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
