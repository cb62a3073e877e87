"""Where layers are in the images of a release: hints for the choice of sources, so nothing here is an error."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress

from airpatch import limits
from airpatch.blobs.content import Content
from airpatch.errors import AirpatchError
from airpatch.layers.resemblance import LayerPlace
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Image
from airpatch.model.walk import walk

_MAX_REFERENCES = 1 << 20
"""Number of layers, over all images, that are looked at: manifests can name the same ones over and over."""
_MAX_CONFIG = 1 << 20
"""Largest config that is read, in bytes."""


def places(
    images: Iterable[Image], manifests: Callable[[Digest], bytes | None], content: Content
) -> dict[Digest, LayerPlace]:
    """Return the place of each layer of `images`, as far as `manifests` gives their manifests and `content` their
    configs.

    Positions count from the base of an image.
    """
    found: defaultdict[Digest, tuple[set[str], set[str], set[int]]] = defaultdict(lambda: (set(), set(), set()))
    parsed: dict[Digest, tuple[Manifest, str | None] | None] = {}
    references = 0

    def read(digest: Digest) -> Manifest | None:
        if digest not in parsed:
            parsed[digest] = _read(manifests(digest), content)
        known = parsed[digest]
        return None if known is None else known[0]

    for image in images:
        for digest, manifest in walk([image.manifest], read):
            known = parsed[digest]
            for position, layer in enumerate(manifest.blobs[1:]):
                repositories, platforms, positions = found[layer.digest]
                repositories.add(image.name.repository)
                positions.add(position)
                if known is not None and known[1] is not None:
                    platforms.add(known[1])
            references += 1 + len(manifest.blobs) + len(manifest.manifests)
        if references > _MAX_REFERENCES:
            break
    return {
        digest: LayerPlace(frozenset(repositories), frozenset(platforms), frozenset(positions))
        for digest, (repositories, platforms, positions) in found.items()
    }


def manifests_in(content: Content, sizes: Mapping[Digest, int]) -> Callable[[Digest], bytes | None]:
    """Provides the manifests that `content` has, with their `sizes` in bytes."""

    def read(digest: Digest) -> bytes | None:
        with suppress(AirpatchError):
            if sizes.get(digest, limits.MANIFEST.value + 1) <= limits.MANIFEST.value:
                return _content(digest, sizes[digest], content)
        return None

    return read


def _read(data: bytes | None, content: Content) -> tuple[Manifest, str | None] | None:
    """Return the manifest, and the platform that its config states."""
    if data is None:
        return None
    try:
        manifest = parse_manifest(data)
    except AirpatchError:
        return None
    platform = None
    if manifest.blobs and manifest.blobs[0].size <= _MAX_CONFIG:
        with suppress(AirpatchError):
            platform = _platform(_content(manifest.blobs[0].digest, manifest.blobs[0].size, content))
    return manifest, platform


def _content(digest: Digest, size: int, content: Content) -> bytes:
    data = bytearray(size)
    with closing(content.open(digest, size)) as reader:
        reader.read_into(memoryview(data), 0)
    return bytes(data)


def _platform(config: bytes) -> str | None:
    """Return the platform as in OCI's image-spec `config.md`; None if the config does not state it."""
    with suppress(ValueError, RecursionError):
        data = json.loads(config)
        if isinstance(data, dict) and isinstance(data.get("architecture"), str):
            return "/".join(str(data.get(key, "")) for key in ("os", "architecture", "variant"))
    return None
