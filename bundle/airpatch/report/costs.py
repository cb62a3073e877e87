"""What each image and each blob costs in a bundle. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.usage import usage


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes before the bundle's own compression: blobs as they are, layer patches as long as they are.

    `images` has the images that cost something, the dearest first; what several share is divided evenly among them.
    `blobs` has what is stored or patched in the same order. `whole` is what all of `blobs` would take as they are.
    """

    images: tuple[tuple[ImageName, int], ...]
    blobs: tuple[tuple[Digest, int], ...]
    whole: int

    @property
    def total(self) -> int:
        return sum(size for _, size in self.blobs)

    @property
    def unattributed(self) -> int:
        """Of `total`, what belongs to images whose manifests are not known."""
        return self.total - sum(size for _, size in self.images)


def costs_of(index: Index, manifests: Mapping[Digest, bytes]) -> Costs:
    """Return the costs in the bundle of `index`, as far as `manifests` tell whose its blobs are."""
    patches = {step.digest: step.patch_size for step in index.steps}
    sizes = {blob.digest: blob.size for blob in index.stored}
    sizes |= {blob.digest: patches[blob.digest] for blob in index.patched}
    users = usage(index.release.images, manifests).images
    images: dict[ImageName, int] = defaultdict(int)
    for digest, size in sizes.items():
        names = users.get(digest, ())
        for number, name in enumerate(names):
            images[name] += size // len(names) + (number < size % len(names))
    return Costs(
        tuple(sorted(((name, size) for name, size in images.items() if size), key=lambda item: (-item[1], item[0]))),
        tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        sum(blob.size for blob in (*index.stored, *index.patched)),
    )
