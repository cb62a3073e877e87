"""Blobs that are missing or damaged, by the images that they leave incomplete: at most a screenful of lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.units import count, megabytes

SCREEN = 20
"""Lines."""


def lacking_by_image(
    images: Iterable[Image],
    manifests: Mapping[Digest, Manifest],
    sizes: Mapping[Digest, int],
    damaged: AbstractSet[Digest] = frozenset(),
    made_of: Mapping[Digest, Iterable[Digest]] | None = None,
) -> list[str]:
    """Return lines about the blobs in `sizes` (bytes), the images that lack most first; those that are `damaged` are
    there.

    `manifests` are those of `images` that can be had; `made_of` says for blobs of the images what else each is made of.
    """
    if not sizes:
        return []
    groups: dict[tuple[str, ...], list[Digest]] = defaultdict(list)
    owners = _owners(images, manifests, sizes.keys(), made_of or {})
    for digest in sizes:
        groups[tuple(owners.get(digest, ()))].append(digest)
    ordered = sorted(groups.items(), key=lambda group: (-sum(sizes[digest] for digest in group[1]), group[0]))
    lines = [f"{_names(names)}: {_blobs(digests, sizes, damaged)}" for names, digests in ordered]
    if len(lines) <= SCREEN:
        return lines
    rest = [digest for _, digests in ordered[SCREEN - 1 :] for digest in digests]
    return [*lines[: SCREEN - 1], f"and other images: {_blobs(rest, sizes, damaged)}"]


def _owners(
    images: Iterable[Image],
    manifests: Mapping[Digest, Manifest],
    lacking: AbstractSet[Digest],
    made_of: Mapping[Digest, Iterable[Digest]],
) -> dict[Digest, dict[str, None]]:
    """Return the names of the images that need each of the blobs `lacking`."""
    owners: dict[Digest, dict[str, None]] = defaultdict(dict)
    for image in images:
        needed = {image.manifest}
        for _, manifest in walk([image.manifest], manifests.get):
            needed.update(below.digest for below in (*manifest.blobs, *manifest.manifests))
        pending = list(needed)
        while pending:
            sources = set(made_of.get(pending.pop(), ())) - needed
            needed |= sources
            pending += sources
        for digest in needed & lacking:
            owners[digest][str(image.name)] = None
    return owners


def _names(names: tuple[str, ...]) -> str:
    if not names:
        return "images whose manifests are not here"
    return names[0] if len(names) == 1 else f"{names[0]} and {count(len(names) - 1, 'more image')}"


def _blobs(digests: list[Digest], sizes: Mapping[Digest, int], damaged: AbstractSet[Digest]) -> str:
    what = str(digests[0]) if len(digests) == 1 else f"{len(digests):,} blobs"
    bad = sum(digest in damaged for digest in digests)
    there = f" ({'' if bad == len(digests) else f'{bad:,} of them '}there, but damaged)" if bad else ""
    return f"{what} of {megabytes(sum(sizes[digest] for digest in digests))}{there}"
