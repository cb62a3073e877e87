"""Multi-platform images that lack some of their platforms."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor
from airpatch.sources.source import LoadedImage
from airpatch.units import are, count

_SHOWN = 8


def absent_platforms(image: LoadedImage) -> set[Digest]:
    """Return the manifests of `image` that are missing, or all of whose layers are: a copy of one platform leaves such
    manifests, with or without their configurations. Layers that a complete platform has, too, say nothing.
    """

    def is_missing(blob: Descriptor) -> bool:
        return image.content.size(blob.digest) is None

    children = {child.digest for manifest in image.parsed.values() for child in manifest.manifests}
    found = {digest: image.parsed[digest].blobs for digest in children if digest in image.parsed}
    complete = {blob.digest for blobs in found.values() if not any(map(is_missing, blobs)) for blob in blobs}
    hollow = set()
    for digest, blobs in found.items():
        own = [blob for blob in blobs[1:] or blobs if blob.digest not in complete]
        if own and all(map(is_missing, own)):
            hollow.add(digest)
    return {*image.missing, *hollow}


def absent_findings(image: LoadedImage, absent: AbstractSet[Digest], where: str) -> Iterator[str]:
    """Yield one finding for each index of `image` whose children are among the `absent`, and one if its top manifest
    is.
    """
    if image.manifest in image.missing:
        yield f"manifest {image.manifest}: is missing, though {where} names it"
    for manifest in image.parsed.values():
        missing = [child for child in manifest.manifests if child.digest in absent]
        if missing:
            shown = ", ".join(map(_platform, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            yield (
                f"{len(missing)} of {count(len(manifest.manifests), 'platform')} {are(len(missing))} not here: "
                f"{shown}{more}. Copy all of them "
                "('skopeo copy --all', 'skopeo sync --all'), or one platform alone (without --all)"
            )


def _platform(child: Descriptor) -> str:
    return child.platform or child.digest.short
