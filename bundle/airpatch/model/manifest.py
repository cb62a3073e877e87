"""Image manifests and indexes: what they refer to (OCI image-spec `manifest.md`, `image-index.md`; Docker v2s2).

`parse_manifest` reads the bytes once and keeps no more than descriptors: the bytes themselves travel, never a
re-encoded form. Docker schema 1 and everything else that is not one of the four types is refused, and so is what Go's
JSON decoder refuses (`strict_json`): registries and runtimes read manifests with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.strict_json import Shape, Type, parse_object

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

MAX_MEDIA_TYPE = 255
"""Characters; RFC 6838 4.2 allows 127 on each side of the slash."""
MAX_BLOB = 2**63 - 1
"""Bytes; the largest file offset."""


_PLATFORM: Shape = {
    "architecture": Type.TEXT,
    "os": Type.TEXT,
    "os.version": Type.TEXT,
    "os.features": Type.TEXTS,
    "variant": Type.TEXT,
    "features": Type.TEXTS,
}
_DESCRIPTOR: Shape = {
    "mediaType": Type.TEXT,
    "digest": Type.TEXT,
    "size": Type.INTEGER,
    "urls": Type.TEXTS,
    "annotations": Type.TEXT_MAP,
    "data": Type.BASE64,
    "artifactType": Type.TEXT,
    "platform": _PLATFORM,
}
_MANIFEST: Shape = {
    "schemaVersion": Type.INTEGER,
    "mediaType": Type.TEXT,
    "artifactType": Type.TEXT,
    "config": _DESCRIPTOR,
    "layers": (_DESCRIPTOR,),
    "manifests": (_DESCRIPTOR,),
    "subject": _DESCRIPTOR,
    "annotations": Type.TEXT_MAP,
    "fsLayers": Type.ANY,
    "history": Type.ANY,
}
"""The fields of OCI image-spec 1.1 (`specs-go/v1`), of Docker's v2 schema 2 and, to be refused, of schema 1."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content.

    `foreign` marks a layer that registries need not hold; `platform` is `OS/ARCHITECTURE[/VARIANT]`, empty if the
    descriptor names none.
    """

    media_type: str
    digest: Digest
    size: int
    foreign: bool = False
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest (`blobs`: the config, then the layers) or an index (`manifests`: its children).

    `subject` is the manifest that this one refers to, such as the image that it signs; it is not part of this one.
    `artifact_type` says what it is where it is no image, and is empty where that is not said.
    """

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Digest | None = None
    artifact_type: str = ""

    @property
    def is_index(self) -> bool:
        return self.media_type in _INDEX_TYPES


def is_media_type(text: str) -> bool:
    """Return whether `text` can stand for a type: 1 to 255 printable ASCII characters."""
    return 0 < len(text) <= MAX_MEDIA_TYPE and text.isascii() and text.isprintable()


def parse_manifest(content: bytes) -> Manifest:
    """Return what the manifest `content` refers to. One without `mediaType` is an OCI one, as distribution takes it.

    Raises FormatError for content that is not a manifest of a known type, contradicts itself or is over a limit.
    """
    if len(content) > limits.MANIFEST.value:
        raise FormatError(f"a manifest of {len(content)} bytes, more than {limits.MANIFEST}")
    data = parse_document(content)
    kind = _media_type(data)
    is_index = kind in _INDEX_TYPES
    for key in ("config", "layers", "fsLayers", "history") if is_index else ("manifests", "fsLayers", "history"):
        if key in data:
            raise FormatError(f"a manifest of type {kind} with {key}, which belongs to another type")
    subject = data.get("subject")
    refers_to = parse_descriptor(subject).digest if isinstance(subject, Mapping) else None
    artifact_type = str(data.get("artifactType", ""))
    if is_index:
        children = tuple(map(parse_descriptor, _descriptors(data, "manifests")))
        for child in children:
            if child.media_type not in MANIFEST_TYPES:
                raise FormatError(f"an index with a child of unknown type {child.media_type!r:.100}")
        return Manifest(kind, manifests=children, subject=refers_to, artifact_type=artifact_type)
    config = data.get("config")
    if not isinstance(config, Mapping):
        raise FormatError("a manifest without a config")
    blobs = (
        parse_descriptor(config, default_type=_CONFIG_TYPE[kind]),
        *map(parse_descriptor, _descriptors(data, "layers")),
    )
    for blob in blobs:
        if blob.media_type in MANIFEST_TYPES:
            raise FormatError(f"an image manifest with {blob.media_type} as a layer or config")
    return Manifest(kind, blobs, subject=refers_to, artifact_type=artifact_type)


def parse_document(content: bytes) -> dict[str, object]:
    """Return a manifest, or a layout's `index.json`, as JSON. Known keys hold what they must; null ones are left out.

    Raises FormatError.
    """
    try:
        return parse_object(content, _MANIFEST)
    except FormatError as error:
        raise FormatError(f"a document that {error.message}") from None


def _media_type(data: Mapping[str, object]) -> str:
    if data.get("schemaVersion") == 1:
        raise FormatError(
            "a manifest of Docker's old schema 1, which is converted when it is copied: 'skopeo copy --format v2s2'"
        )
    own = data.get("mediaType", OCI_INDEX if "manifests" in data else OCI_MANIFEST)
    if data.get("schemaVersion") != 2 or not isinstance(own, str) or own not in MANIFEST_TYPES:
        raise FormatError(
            f"unknown manifest type {own!r:.100} (schemaVersion {data.get('schemaVersion')!r:.20}); known are OCI "
            "manifests and indexes and Docker's v2 schema 2 ones"
        )
    return own


def _descriptors(data: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """Return the list `key`. Without the key it is empty: Go writes an empty list as null, or not at all."""
    value = data.get(key, [])
    return value if isinstance(value, list) else []


def parse_descriptor(data: Mapping[str, object], default_type: str | None = None) -> Descriptor:
    """Return a descriptor out of a document that `parse_document` gave. Raises FormatError."""
    media_type = data.get("mediaType", default_type)
    if not isinstance(media_type, str) or not is_media_type(media_type):
        raise FormatError(f"a descriptor without a usable media type: {media_type!r:.100}")
    size = data.get("size")
    if not isinstance(size, int) or not 0 <= size <= MAX_BLOB:
        raise FormatError(f"a descriptor without a usable size: {size!r:.40}")
    foreign = bool(data.get("urls")) or "foreign" in media_type or "nondistributable" in media_type
    return Descriptor(media_type, Digest.parse(data.get("digest")), size, foreign, _platform(data.get("platform")))


def _platform(data: object) -> str:
    if not isinstance(data, Mapping):
        return ""
    parts = (data.get(key) for key in ("os", "architecture", "variant"))
    text = "/".join(str(part) for part in parts if part)[:MAX_MEDIA_TYPE]
    return text if text.isprintable() else ascii(text)
