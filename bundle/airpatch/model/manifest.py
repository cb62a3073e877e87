"""Image manifests and indexes: what they refer to (OCI image-spec `manifest.md`, `image-index.md`; Docker v2s2).

`parse_manifest` reads the bytes once and keeps no more than descriptors: the bytes themselves travel, never a
re-encoded form. Docker schema 1 and everything else that is not one of the four types is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.model.digest import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = frozenset({OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST})
_INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
_CONFIG_TYPE = {
    OCI_MANIFEST: "application/vnd.oci.image.config.v1+json",
    DOCKER_MANIFEST: "application/vnd.docker.container.image.v1+json",
}

MAX_MANIFEST = 4 << 20
"""Bytes; the limit of distribution's API (`maxManifestBodySize`)."""
MAX_MEDIA_TYPE = 255
"""Characters; RFC 6838 4.2 allows 127 on each side of the slash."""
MAX_BLOB = 2**63 - 1
"""Bytes; the largest file offset."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content. `foreign` marks a layer that registries need not hold."""

    media_type: str
    digest: Digest
    size: int
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest (`blobs`: the config, then the layers) or an index (`manifests`: its children)."""

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        return self.media_type in _INDEX_TYPES


def is_media_type(text: str) -> bool:
    """Whether `text` can stand for a type: 1 to 255 printable ASCII characters."""
    return 0 < len(text) <= MAX_MEDIA_TYPE and text.isascii() and text.isprintable()


def parse_manifest(content: bytes) -> Manifest:
    """What the manifest `content` refers to. One without `mediaType` is an OCI one, as distribution takes it.

    Raises FormatError for content that is no manifest of a known type, contradicts itself or is over a limit.
    """
    if len(content) > MAX_MANIFEST:
        raise FormatError(f"a manifest of {len(content)} bytes, more than {MAX_MANIFEST}")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise FormatError("a manifest that is not JSON") from None
    if not isinstance(data, dict):
        raise FormatError("a manifest that is not a JSON object")
    kind = _media_type(data)
    if ("manifests" in data) != (kind in _INDEX_TYPES) or ("layers" in data) == (kind in _INDEX_TYPES):
        raise FormatError(f"a manifest of type {kind} whose content is not of that type")
    if kind in _INDEX_TYPES:
        children = tuple(parse_descriptor(d) for d in _list(data, "manifests"))
        for child in children:
            if child.media_type not in MANIFEST_TYPES:
                raise FormatError(f"an index with a child of unknown type {child.media_type!r:.100}")
        return Manifest(kind, manifests=children)
    config = parse_descriptor(data.get("config"), default_type=_CONFIG_TYPE[kind])
    layers = tuple(parse_descriptor(d) for d in _list(data, "layers"))
    for blob in (config, *layers):
        if blob.media_type in MANIFEST_TYPES:
            raise FormatError(f"an image manifest with {blob.media_type} as a layer or config")
    return Manifest(kind, blobs=(config, *layers))


def _media_type(data: dict[str, object]) -> str:
    own = data.get("mediaType", OCI_INDEX if "manifests" in data else OCI_MANIFEST)
    if data.get("schemaVersion") != 2 or not isinstance(own, str) or own not in MANIFEST_TYPES:
        raise FormatError(
            f"unknown manifest type {own!r:.100} (schemaVersion {data.get('schemaVersion')!r:.20}); known are OCI "
            "manifests and indexes and Docker's v2 schema 2 ones"
        )
    return own


def _list(data: dict[str, object], key: str) -> list[object]:
    value = data[key]
    if not isinstance(value, list):
        raise FormatError(f"a manifest whose {key!r} is not a list")
    return value


def parse_descriptor(data: object, default_type: str | None = None) -> Descriptor:
    """A descriptor out of a JSON document. Raises FormatError."""
    if not isinstance(data, dict):
        raise FormatError("a manifest with a descriptor that is not a JSON object")
    media_type = data.get("mediaType", default_type)
    if not isinstance(media_type, str) or not is_media_type(media_type):
        raise FormatError(f"a descriptor without a usable media type: {media_type!r:.100}")
    size = data.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BLOB:
        raise FormatError(f"a descriptor without a usable size: {size!r:.40}")
    foreign = bool(data.get("urls")) or "foreign" in media_type or "nondistributable" in media_type
    return Descriptor(media_type, Digest.parse(data.get("digest")), size, foreign)
