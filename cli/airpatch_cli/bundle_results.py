"""What `create`, `diff` and `merge` report about the bundle that they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, timestamp, title_of

if TYPE_CHECKING:
    from airpatch import Index, Release, WrittenBundle

_SHOWN = 3
"""Number of the largest images and blobs to name."""


def written(made: WrittenBundle, console: Console) -> Result:
    """Return a report of what is in the bundle, and what makes it large."""
    index, release = made.index, made.index.release
    stored = sum(blob.size for blob in index.stored)
    patches = sum(step.patch_size for step in index.steps)
    return Result(
        {
            "bundle": made.output,
            "bytes": made.size,
            "product": release.product,
            "release": release.name,
            "sequence": release.sequence,
            "expires": expiry(release),
            "release_id": str(index.release_id),
            "images": len(release.images),
            "blobs": len(release.blobs),
            "blob_bytes": release.size,
            "stored": len(index.stored),
            "stored_bytes": stored,
            "patched": len(index.patched),
            "patched_bytes": sum(blob.size for blob in index.patched),
            "patch_bytes": patches,
            "bases": [{"name": base.name, "id": str(base.id)} for base in index.bases],
            "removed": list(index.removed),
            "whole_bytes": made.costs.whole,
            "costs": [{"image": str(name), "bytes": size} for name, size in made.costs.images],
        },
        [
            f"{title_of(made.output)}: release {release.title}, {count(len(release.images), 'image')}, "
            f"{count(len(release.blobs), 'blob')} of {megabytes(release.size)}{_not_stored(index)}, "
            f"in {megabytes(made.size)}",
            *(f"  no longer in the release: {repository}" for repository in index.removed),
            *_summary(made),
            f"  took {console.seconds:.1f} s",
        ],
        notes=made.warnings,
    )


def expiry(release: Release) -> str | None:
    """Return when `release` expires, as JSON states it."""
    return timestamp(release.expires) if release.expires else None


def _not_stored(index: Index) -> str:
    text = ""
    if not index.is_full:
        text = f", of which a target {_which(index)} has {count(len(index.left_out), 'blob')}"
    if index.patched:
        size = megabytes(sum(blob.size for blob in index.patched))
        patches = megabytes(sum(step.patch_size for step in index.steps))
        text += f", {count(len(index.patched), 'blob')} of {size} as layer patches of {patches}"
    return text


def _which(index: Index) -> str:
    """Return which targets the patch of `index` is for: those with a base, and those that have sent a request."""
    releases = " or ".join(base.name for base in index.bases if not base.is_request)
    requests = [f"that made the {base.name}" for base in index.bases if base.is_request]
    return " or ".join([f"with {releases}", *requests] if releases else requests)


def _summary(made: WrittenBundle) -> list[str]:
    costs = made.costs
    lines = []
    if not made.index.is_full and costs.whole:
        saved = 100 * (1 - made.size / costs.whole)
        if saved > 0:
            lines.append(f"  {saved:.1f} % less than the {megabytes(costs.whole)} of whole blobs that it stands for")
    if costs.images and not (made.index.is_full and len(costs.images) == 1):
        images = ", ".join(f"{name} {megabytes(size)}" for name, size in costs.images[:_SHOWN])
        lines.append(f"  largest images: {images}")
    if costs.blobs:
        blobs = ", ".join(f"{digest.short} {megabytes(size)}" for digest, size in costs.blobs[:_SHOWN])
        lines.append(f"  largest blobs: {blobs}")
    return lines
