"""Manifests, the table of blobs that they give, and the links (FORMAT.md, Manifests, The table of blobs, Links)."""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import names
from .canonical import check
from .errors import refusing, require
from .index import Blob, Image, Index

MAX_DEPTH, MAX_VALUES, MAX_NESTING = 100, 1048576, 8
# The keys that an object may have, and what their values are: a name with a star is a list of those.
KEYS = {
    "manifest": "schemaVersion:integer mediaType:string artifactType:string config:descriptor subject:descriptor "
    "layers:descriptor* manifests:descriptor* annotations:strings fsLayers:any history:any",
    "descriptor": "mediaType:string digest:string artifactType:string size:integer urls:string* annotations:strings "
    "data:base64 platform:platform",
    "platform": "architecture:string os:string os.version:string variant:string os.features:string* features:string*",
}


def parse_json(data: bytes) -> Any:
    """The value of a JSON text (RFC 8259): objects as tuples of pairs, integers as their digits in bytes."""
    require(sum(data.count(mark) for mark in b",[{") <= MAX_VALUES, "too many values in JSON")
    depth = 0
    with refusing(ValueError, "no JSON"):  # json refuses a byte order mark, too
        text = data.decode()
        for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[][{}]', text):
            depth += (mark in "[{") - (mark in "]}")
            require(depth <= MAX_DEPTH, "JSON nested too deep")
        # NaN is no int, which is an error of JSON
        return json.loads(text, object_pairs_hook=tuple, parse_int=str.encode, parse_constant=int)


def _typed(value: Any, kind: str) -> Any:
    """The value of a key of this kind; objects as dicts of the known keys that are there and not null."""
    if kind.endswith("*"):
        require(type(value) is list, "a value that is no list")
        return [_typed(one, kind[:-1]) for one in value if one is not None or kind == "descriptor*"]
    if kind == "integer":
        is_short = type(value) is bytes and len(value) <= 20
        require(is_short and -(2**63) <= int(value) < 2**63, "no integer of 64 bits")
        return int(value)
    if kind in KEYS:
        require(type(value) is tuple, f"a {kind} that is no object")
        kinds = dict(pair.split(":") for pair in KEYS[kind].split(" "))
        folded = {key.lower(): key for key in kinds}
        found: dict[str, Any] = {}
        for key, one in value:
            name = folded.get(key.replace("\u017f", "s").replace("\u212a", "k").lower())
            require(name in (None, key), f"a key that differs from {name} by case alone")
            require(key not in found, f"{key} twice in one object")
            if name:
                found[name] = one if one is None else _typed(one, kinds[name])
        return {key: one for key, one in found.items() if one is not None}
    if kind == "strings":
        require(type(value) is tuple, "a value that is no object")
        require(all(one is None or type(one) is str for _, one in value), "a value that is no string")
    elif kind != "any":
        require(type(value) is str, "a value that is no string")
    if kind == "base64":
        with refusing(ValueError, "data that is not base64"):
            base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True)
    return value


class Reference(NamedTuple):
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


def _reference(descriptor: dict[str, Any], default: str = "") -> Reference:
    digest, size = descriptor.get("digest", ""), descriptor.get("size", -1)
    require(re.fullmatch("sha256:[0-9a-f]{64}", digest), "a digest that is none")
    require(size >= 0, "a size that is none")
    media_type = descriptor.get("mediaType", default)
    check(media_type, names.MEDIA_TYPE)
    return Reference(bytes.fromhex(digest[7:]), size, media_type)


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest."""
    values = _typed(parse_json(data), "manifest")
    require(values.get("schemaVersion") == 2, "another schemaVersion than 2")
    if "subject" in values:
        _reference(values["subject"])
    default = (names.INDEX_TYPES if "manifests" in values else names.MANIFEST_TYPES)[0]
    manifest = Manifest(values.get("mediaType", default))
    require(manifest.media_type in names.ALL_MANIFESTS, f"a manifest of type {manifest.media_type!r}")
    if manifest.media_type in names.INDEX_TYPES:
        require(not {"config", "layers", "fsLayers", "history"} & set(values), "an index with what a manifest has")
        manifest.children = [_reference(child) for child in values.get("manifests", [])]
        require(all(child.media_type in names.ALL_MANIFESTS for child in manifest.children), "a child of no manifest")
    else:
        require(not {"manifests", "fsLayers", "history"} & set(values), "a manifest with what others have")
        require("config" in values, "a manifest without config")
        config = _reference(values["config"], names.CONFIG_TYPES[names.MANIFEST_TYPES.index(manifest.media_type)])
        manifest.blobs = [config, *map(_reference, values.get("layers", []))]
        require(not any(blob.media_type in names.ALL_MANIFESTS for blob in manifest.blobs), "a manifest as a layer")
    return manifest


class Manifests:
    """The manifests of a release, all of which are there."""

    def __init__(self, index: Index, contents: dict[bytes, bytes]) -> None:
        """Check that they give the table of blobs."""
        self.index = index
        self.all: dict[bytes, Manifest] = {}
        for blob in index.blobs:  # in the order of their heights: a child comes first
            if blob.is_manifest:
                manifest = self.all[blob.digest] = parse_manifest(contents[blob.digest])
                manifest.height = int(manifest.media_type in names.INDEX_TYPES)
                for child in manifest.children:
                    require(child.digest in self.all, "a child that is not there, or after its parent")
                    known = self.all[child.digest]
                    require(known.media_type == child.media_type, "a child of another type")
                    manifest.height = max(manifest.height, known.height + 1)
                require(manifest.height <= MAX_NESTING, "indexes nested too deep")
        self._check_table()
        for image in index.images:
            signed = {signature[0] for signature in image.signatures}
            require(signed <= self.below(image.manifest), "a signature of another manifest")

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
        rows = {blob.digest: blob for blob in self.index.blobs}
        needed = set().union(*(self.below(image.manifest) for image in self.index.images))
        types = {digest: {self.all[digest].media_type} for digest in needed}
        for manifest in self.all.values():
            for one in [*manifest.children, *manifest.blobs]:
                require(one.digest in rows, "a blob that the index does not list")
                require(rows[one.digest].size == one.size, "a blob of another size than the index says")
                types.setdefault(one.digest, set()).add(one.media_type)
        require(set(types) == set(rows), "a blob that no manifest needs")
        for digest, blob in rows.items():
            least = min(types[digest] & set(names.ALL_MANIFESTS) or types[digest])
            require(blob.media_type == least, "a blob of another media type than the manifests say")
        order = [(manifest.height, digest) for digest, manifest in self.all.items()]
        require(order == sorted(order), "manifests out of order")

    def links(self) -> list[tuple[str, bytes]]:
        """Paths and contents of the section of links."""
        groups: tuple[dict[str, bytes], ...] = ({}, {}, {}, {})  # of layers, revisions, indexes of tags, tags
        for image in self.index.images:
            folder = f"docker/registry/v2/repositories/{image.repository}"
            name, tag = image.manifest.hex(), f"{folder}/_manifests/tags/{image.tag}"
            for digest in self.below(image.manifest):
                groups[1][f"{folder}/_manifests/revisions/sha256/{digest.hex()}/link"] = digest
                for blob in self.all[digest].blobs:
                    groups[0][f"{folder}/_layers/sha256/{blob.digest.hex()}/link"] = blob.digest
            groups[2][f"{tag}/index/sha256/{name}/link"] = groups[3][f"{tag}/current/link"] = image.manifest
        return [(path, f"sha256:{group[path].hex()}".encode()) for group in groups for path in sorted(group)]


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
