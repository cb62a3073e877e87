"""The size of each image, and how much of it no other image shares. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.walk import walk

MAX_REFERENCES = 1 << 24
"""References to follow: 10,000 images for ten platforms each have less than 5 million; small manifests can ask for
billions."""


@dataclass(frozen=True, slots=True)
class Weight:
    """`size` is that of all blobs below the image, each once, in bytes; `own` that of those no other image has, None
    if not all images could be weighed.

    `layers` counts the different ones for all platforms, `platforms` the image manifests.
    """

    platforms: int
    layers: int
    size: int
    own: int | None


@dataclass(slots=True)
class _Below:
    """What lies below a manifest: sizes in bytes by digest."""

    sizes: dict[Digest, int]
    platforms: int
    layers: int


def weigh(images: Iterable[tuple[ImageName, Digest]], contents: Mapping[Digest, bytes]) -> dict[ImageName, Weight]:
    """Return the weights of `images`, given by their top manifests, with the manifests in `contents`.

    An image is left out if one of its manifests is missing or malformed. Raises FormatError if there is too much to add
    up.
    """
    reader = _ReferenceReader(contents)
    found = {name: reader.below(top) for name, top in images}
    below = {name: below for name, below in found.items() if below is not None}
    users = Counter(digest for image in below.values() for digest in image.sizes)

    def own(image: _Below) -> int | None:
        if len(below) < len(found):
            return None
        return sum(size for digest, size in image.sizes.items() if users[digest] == 1)

    return {
        name: Weight(image.platforms, image.layers, sum(image.sizes.values()), own(image))
        for name, image in below.items()
    }


class _ReferenceReader:
    """Follows the references of manifests, each of which it parses once."""

    def __init__(self, contents: Mapping[Digest, bytes]) -> None:
        self._contents = contents
        self._parsed: dict[Digest, Manifest | None] = {}
        self._below: dict[Digest, _Below | None] = {}
        self._followed = 0

    def below(self, top: Digest) -> _Below | None:
        if top not in self._below:
            self._below[top] = self._follow(top)
        return self._below[top]

    def _follow(self, top: Digest) -> _Below | None:
        needed: set[Digest] = set()
        manifests = dict(walk([top], self._read, needed))
        if len(manifests) < len(needed):
            return None
        sizes = {digest: len(self._contents[digest]) for digest in manifests}
        sizes.update((blob.digest, blob.size) for manifest in manifests.values() for blob in manifest.blobs)
        layers = {blob.digest for manifest in manifests.values() for blob in manifest.blobs[1:]}
        return _Below(sizes, sum(not manifest.is_index for manifest in manifests.values()), len(layers))

    def _read(self, digest: Digest) -> Manifest | None:
        manifest = self._parse(digest)
        if manifest is not None:
            self._followed += 1 + len(manifest.blobs) + len(manifest.manifests)
            if self._followed > MAX_REFERENCES:
                raise FormatError(f"the images have more than {MAX_REFERENCES} references to blobs")
        return manifest

    def _parse(self, digest: Digest) -> Manifest | None:
        if digest not in self._parsed:
            try:
                content = self._contents.get(digest)
                self._parsed[digest] = parse_manifest(content) if content is not None else None
            except FormatError:
                self._parsed[digest] = None
        return self._parsed[digest]
