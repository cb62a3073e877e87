"""Manifests, the table of blobs that they give, and the links (FORMAT.md, Manifests, The table of blobs, Links)."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from . import names
from .errors import FormatError, require
from .index import Blob, Image, Index

MAX_DEPTH, MAX_VALUES, MAX_NESTING = 100, 1048576, 8

DESCRIPTOR, PLATFORM = "descriptor", "platform"
KEYS: dict[str, dict[str, str]] = {
    "manifest": {
        "schemaVersion": "integer",
        "mediaType": "string",
        "artifactType": "string",
        "config": DESCRIPTOR,
        "subject": DESCRIPTOR,
        "layers": "descriptors",
        "manifests": "descriptors",
        "annotations": "object of strings",
        "fsLayers": "any",
        "history": "any",
    },
    DESCRIPTOR: {
        "mediaType": "string",
        "digest": "string",
        "artifactType": "string",
        "size": "integer",
        "urls": "strings",
        "annotations": "object of strings",
        "data": "base64",
        "platform": PLATFORM,
    },
    PLATFORM: {
        "architecture": "string",
        "os": "string",
        "os.version": "string",
        "variant": "string",
        "os.features": "strings",
        "features": "strings",
    },
}


class _Object(list[tuple[str, Any]]):
    """A JSON object as it stands: keys and values, in order, maybe twice."""


class _Number(str):
    """A JSON number as it stands."""


def _no_constant(text: str) -> object:
    raise FormatError(f"{text} in JSON")


def parse_json(data: bytes) -> Any:
    """The value of a JSON text (RFC 8259), objects as lists of pairs, numbers as they stand.

    Raises:
        FormatError: it is none, not UTF-8, or over a limit.
    """
    require(sum(data.count(mark) for mark in b",[{") <= MAX_VALUES, "too many values in JSON")
    try:
        text = data.decode()
        depth = 0
        for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[][{}]', text):
            depth += (mark in "[{") - (mark in "]}")
            require(depth <= MAX_DEPTH, "JSON nested too deep")
        return json.loads(
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except ValueError as error:  # of the decoding, too; json refuses a byte order mark
        raise FormatError(f"no JSON: {error}") from error


def _check(value: Any, kind: str) -> Any:
    """The value of a key of this type, objects as dicts of the keys that are known."""
    if kind == "integer":
        require(type(value) is _Number and re.fullmatch(r"-?[0-9]{1,19}", value), "no integer of 64 bits")
        require(-(2**63) <= int(value) < 2**63, "no integer of 64 bits")
        return int(value)
    if kind in KEYS:
        require(type(value) is _Object, f"a {kind} that is no object")
        return _known(value, KEYS[kind])
    if kind in ("string", "base64"):
        require(type(value) is str, "a value that is no string")
        if kind == "base64":
            try:
                base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True)
            except (binascii.Error, ValueError) as error:
                raise FormatError("data that is not base64") from error
    elif kind in ("strings", "descriptors"):
        require(type(value) is list, "a value that is no list")
        return [_check(one, kind[:-1]) for one in value if one is not None or kind == "descriptors"]
    elif kind == "object of strings":
        require(type(value) is _Object, "a value that is no object")
        require(all(one is None or type(one) is str for _, one in value), "a value that is no string")
    return value


def _known(pairs: _Object, kinds: dict[str, str]) -> dict[str, Any]:
    folded = {key.casefold(): key for key in kinds}
    values: dict[str, Any] = {}
    for key, value in pairs:
        name = folded.get("".join({"\u017f": "s", "\u212a": "k"}.get(letter, letter) for letter in key).lower())
        if name is None:
            continue
        require(key == name, f"a key that differs from {name} by case alone")
        require(name not in values, f"{name} twice in one object")
        values[name] = None if value is None else _check(value, kinds[name])
    return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class Reference:
    """What a descriptor refers to; the size is bytes."""

    digest: bytes
    size: int
    media_type: str


@dataclass
class Manifest:
    """A manifest: its media type, the manifests that it refers to, and its config and layers."""

    media_type: str
    children: list[Reference] = field(default_factory=list)
    blobs: list[Reference] = field(default_factory=list)
    height: int = 0


def _reference(descriptor: dict[str, Any], default: str | None = None) -> Reference:
    digest = re.fullmatch(r"sha256:([0-9a-f]{64})", descriptor.get("digest", ""))
    require(digest, "a digest that is none")
    size = descriptor.get("size", -1)
    require(size >= 0, "a size that is none")
    media_type = descriptor.get("mediaType", default or "")
    names.check_media_type(media_type)
    return Reference(bytes.fromhex(digest[1]) if digest else b"", size, media_type)


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest.

    Raises:
        FormatError: it breaks a rule.
    """
    values = _check(parse_json(data), "manifest")
    require(values.get("schemaVersion") == 2, "another schemaVersion than 2")
    if "subject" in values:
        _reference(values["subject"])
    names_index = names.INDEX_TYPES[0] if "manifests" in values else names.MANIFEST_TYPES[0]
    manifest = Manifest(values.get("mediaType", names_index))
    require(manifest.media_type in names.ALL_MANIFESTS, f"a manifest of type {manifest.media_type!r}")
    if manifest.media_type in names.INDEX_TYPES:
        require(not {"config", "layers", "fsLayers", "history"} & set(values), "an index with what a manifest has")
        manifest.children = [_reference(child) for child in values.get("manifests", [])]
        require(all(child.media_type in names.ALL_MANIFESTS for child in manifest.children), "a child of no manifest")
    else:
        require(not {"manifests", "fsLayers", "history"} & set(values), "a manifest with what others have")
        require("config" in values, "a manifest without config")
        default = names.CONFIG_TYPES[names.MANIFEST_TYPES.index(manifest.media_type)]
        layers = [_reference(layer) for layer in values.get("layers", [])]
        manifest.blobs = [_reference(values["config"], default), *layers]
        require(not any(blob.media_type in names.ALL_MANIFESTS for blob in manifest.blobs), "a manifest as a layer")
    return manifest


class Manifests:
    """The manifests of a release, all of which are there."""

    def __init__(self, index: Index, contents: dict[bytes, bytes]) -> None:
        """Check that they give the table of blobs.

        Raises:
            FormatError: they give another one, or break a rule.
        """
        self.index = index
        self.rows = {blob.digest: blob for blob in index.blobs}
        self.all: dict[bytes, Manifest] = {}
        for blob in index.blobs:  # in the order of their heights: a child comes first
            if blob.is_manifest:
                manifest = parse_manifest(contents[blob.digest])
                for child in manifest.children:
                    require(child.digest in self.all, "a child that is not there, or after its parent")
                    require(self.all[child.digest].media_type == child.media_type, "a child of another type")
                    manifest.height = max(manifest.height, self.all[child.digest].height + 1)
                if manifest.media_type in names.INDEX_TYPES:
                    manifest.height = max(manifest.height, 1)
                require(manifest.height <= MAX_NESTING, "indexes nested too deep")
                self.all[blob.digest] = manifest
        self._check_table()
        for image in index.images:
            below = self.below(image.manifest)
            require(all(signed in below for signed, _, _ in image.signatures), "a signature of another manifest")

    def below(self, manifest: bytes) -> set[bytes]:
        """The manifest, and all that lie below it."""
        found: set[bytes] = set()
        waiting = [manifest]
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting += [child.digest for child in self.all[digest].children]
        return found

    def _check_table(self) -> None:
        needed: set[bytes] = set()
        for image in self.index.images:
            needed |= self.below(image.manifest)
        types: dict[bytes, set[str]] = {digest: {self.all[digest].media_type} for digest in needed}
        for manifest in self.all.values():
            for one in [*manifest.children, *manifest.blobs]:
                require(one.digest in self.rows, "a blob that the index does not list")
                require(self.rows[one.digest].size == one.size, "a blob of another size than the index says")
                types.setdefault(one.digest, set()).add(one.media_type)
        require(set(types) == set(self.rows), "a blob that no manifest needs")
        for digest, blob in self.rows.items():
            least = min(types[digest] & set(names.ALL_MANIFESTS) or types[digest])
            require(blob.media_type == least, "a blob of another media type than the manifests say")
        order = [(self.all[blob.digest].height, blob.digest) for blob in self.index.blobs if blob.is_manifest]
        require(order == sorted(order), "manifests out of order")

    def links(self) -> list[tuple[str, bytes]]:
        """Paths and contents of the section of links."""
        layers: dict[str, bytes] = {}
        revisions: dict[str, bytes] = {}
        tags: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        for image in self.index.images:
            folder = f"docker/registry/v2/repositories/{image.repository}/"
            for digest in self.below(image.manifest):
                revisions[f"{folder}_manifests/revisions/sha256/{digest.hex()}/link"] = _link(digest)
                for blob in self.all[digest].blobs:
                    layers[f"{folder}_layers/sha256/{blob.digest.hex()}/link"] = _link(blob.digest)
            tag = f"{folder}_manifests/tags/{image.tag}/"
            tags[0][f"{tag}index/sha256/{image.manifest.hex()}/link"] = _link(image.manifest)
            tags[1][f"{tag}current/link"] = _link(image.manifest)
        return [link for group in (layers, revisions, *tags) for link in sorted(group.items())]


def _link(digest: bytes) -> bytes:
    return b"sha256:" + digest.hex().encode()


def signature_members(images: list[Image]) -> dict[str, tuple[bytes, int]]:
    """Digest and size in bytes of each detached signature, by its path, in the order of the paths."""
    members: dict[str, tuple[bytes, int]] = {}
    for image in images:
        numbers: dict[bytes, int] = {}
        for signed, digest, size in image.signatures:
            numbers[signed] = numbers.get(signed, 0) + 1
            folder = f".airpatch/signatures/{image.repository}@sha256={signed.hex()}"
            members[f"{folder}/signature-{numbers[signed]}"] = (digest, size)
    return dict(sorted(members.items()))


def blob_path(blob: Blob) -> str:
    """Where a blob lies in the archive."""
    name = blob.digest.hex()
    return f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"
