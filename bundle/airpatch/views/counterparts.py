"""Streams of brotli and zstd that it pays to expand: what they hold stands beside them, or in a source (spec/VIEWS.md,
Writers).

A stream that has no counterpart costs less as it is: these pack closer than a difference to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from airpatch.delta.tar_members import members
from airpatch.sketches.bare_names import bare
from airpatch.views import framings
from airpatch.views.finders.hint import LARGE
from airpatch.views.survey import FoundLevel

_PACKED = (b"", b".gz")
"""Endings of the names of what holds the same content."""


def expandable(
    target: Iterable[Sequence[FoundLevel]],
    sources: Iterable[Sequence[FoundLevel]],
    layers: Iterable[memoryview],
) -> set[bytes]:
    """Return names of such streams in `target` for which a source has one of the same bare name, or for which there is
    a file, in one of the `layers` or in a container of the target, that is called the same without the ending.
    """
    inside = {level.name for levels in target for level in _all(levels)}
    streams = {name for name in inside if name.endswith(LARGE)}
    if not streams:
        return set()
    older = {bare(level.name) for levels in sources for level in _all(levels) if level.framing in framings.LARGE}
    stems = {name: name.rpartition(b".")[0] for name in streams}
    wanted = {stem + ending for stem in stems.values() for ending in _PACKED}
    there = {member.path for layer in layers for member in members(layer) if member.path in wanted} | inside
    return {
        name for name, stem in stems.items() if bare(name) in older or any(stem + ending in there for ending in _PACKED)
    }


def _all(levels: Iterable[FoundLevel]) -> Iterator[FoundLevel]:
    for level in levels:
        yield level
        yield from _all(level.inside)
