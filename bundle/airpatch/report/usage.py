"""Which images use which blobs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.report.weight import MAX_REFERENCES


@dataclass(frozen=True, slots=True)
class Usage:
    """Of blobs by digest the images that have them; of layers their sizes in bytes, too."""

    images: Mapping[Digest, tuple[ImageName, ...]]
    layers: Mapping[Digest, int]


def usage(images: Iterable[Image], contents: Mapping[Digest, bytes]) -> Usage:
    """Return the usage by `images`, as far as their manifests are in `contents`.

    Raises FormatError if a manifest is malformed, or if there is too much to follow.
    """
    parsed: dict[Digest, Manifest] = {}
    followed = 0

    def read(digest: Digest) -> Manifest | None:
        nonlocal followed
        if digest not in contents:
            return None
        if digest not in parsed:
            parsed[digest] = parse_manifest(contents[digest])
        followed += 1 + len(parsed[digest].blobs) + len(parsed[digest].manifests)
        if followed > MAX_REFERENCES:
            raise FormatError(f"the images have more than {MAX_REFERENCES} references to blobs")
        return parsed[digest]

    users: defaultdict[Digest, dict[ImageName, None]] = defaultdict(dict)
    layers: dict[Digest, int] = {}
    for image in images:
        for digest, manifest in walk([image.manifest], read):
            for used in (digest, *(blob.digest for blob in manifest.blobs)):
                users[used][image.name] = None
            layers.update((blob.digest, blob.size) for blob in manifest.blobs[1:])
    return Usage({digest: tuple(names) for digest, names in users.items()}, layers)
