"""Manifests, the table of blobs that they give, and the links (FORMAT.md, Manifests, The table of blobs, Links)."""

import base64
import json
import re
from typing import Any, NamedTuple

from . import names
from .canonical import build
from .errors import refusing, require
from .index import Index

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


class Manifest(NamedTuple):
    """A manifest: its media type, the manifests that it refers to, and its config and layers."""

    media_type: str
    children: list[Reference]
    blobs: list[Reference]


def _reference(descriptor: dict[str, Any], default: str = "") -> Reference:
    digest, size = descriptor.get("digest", ""), descriptor.get("size", -1)
    require(re.fullmatch("sha256:[0-9a-f]{64}", digest), "a digest that is none")
    require(size >= 0, "a size that is none")
    return Reference(bytes.fromhex(digest[7:]), size, build(names.MEDIA_TYPE, descriptor.get("mediaType", default)))


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest."""
    values = _typed(parse_json(data), "manifest")
    require(values.get("schemaVersion") == 2, "another schemaVersion than 2")
    if "subject" in values:
        _reference(values["subject"])
    default = (names.INDEX_TYPES if "manifests" in values else names.MANIFEST_TYPES)[0]
    media_type = values.get("mediaType", default)
    require(media_type in names.ALL_MANIFESTS, f"a manifest of type {media_type!r}")
    if media_type in names.INDEX_TYPES:
        require(not {"config", "layers", "fsLayers", "history"} & set(values), "an index with what a manifest has")
        return Manifest(media_type, [_reference(child) for child in values.get("manifests", [])], [])
    require(not {"manifests", "fsLayers", "history"} & set(values), "a manifest with what others have")
    require("config" in values, "a manifest without config")
    config = _reference(values["config"], names.CONFIG_TYPES[names.MANIFEST_TYPES.index(media_type)])
    blobs = [config, *map(_reference, values.get("layers", []))]
    require(not any(blob.media_type in names.ALL_MANIFESTS for blob in blobs), "a manifest as a layer")
    return Manifest(media_type, [], blobs)


class Manifests:
    """The manifests of a release, all of which are there."""

    def __init__(self, index: Index, contents: dict[bytes, bytes]) -> None:
        """Check that they give the table of blobs (FORMAT.md, The table of blobs)."""
        self.images, self.all = index.release.images, dict[bytes, Manifest]()
        heights: dict[bytes, int] = {}
        for digest in index.manifests:
            manifest = self.all[digest] = parse_manifest(contents[digest])
            for child in manifest.children:
                require(child.digest in heights, "a child that is not there, or after its parent")
                require(child.media_type == self.all[child.digest].media_type, "a child of another type")
            below = max((heights[child.digest] for child in manifest.children), default=0)
            heights[digest] = below + 1 if manifest.media_type in names.INDEX_TYPES else 0
            require(heights[digest] <= MAX_NESTING, "indexes nested too deep")
        sizes: dict[bytes, int] = {}
        types: dict[bytes, set[str]] = {}
        for digest in set().union(*(self.below(image.manifest) for image in self.images)):
            own = Reference(digest, len(contents[digest]), self.all[digest].media_type)
            for one in [own, *self.all[digest].children, *self.all[digest].blobs]:
                require(sizes.setdefault(one.digest, one.size) == one.size, "a blob of two sizes")
                types.setdefault(one.digest, set()).add(one.media_type)
        order = sorted(sizes, key=lambda digest: (heights.get(digest, -1), digest in heights or -sizes[digest], digest))
        least = {digest: min(types[digest] & set(names.ALL_MANIFESTS) or types[digest]) for digest in order}
        table = [(digest, sizes[digest], least[digest]) for digest in order]
        require(table == [blob[:3] for blob in index.blobs], "another table of blobs than the manifests give")
        for image in self.images:
            signed = {signature.signed for signature in image.signatures}
            require(signed <= self.below(image.manifest), "a signature of another manifest")

    def below(self, manifest: bytes) -> set[bytes]:
        """The manifest, and all that lie below it."""
        found, waiting = set[bytes](), [manifest]
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting += [child.digest for child in self.all[digest].children]
        return found

    def links(self) -> list[tuple[str, bytes]]:
        """Paths and contents of the section of links."""
        groups: tuple[dict[str, bytes], ...] = ({}, {}, {}, {})  # of layers, revisions, indexes of tags, tags
        for image in self.images:
            folder = f"docker/registry/v2/repositories/{image.repository}"
            name, tag = image.manifest.hex(), f"{folder}/_manifests/tags/{image.tag}"
            for digest in self.below(image.manifest):
                groups[1][f"{folder}/_manifests/revisions/sha256/{digest.hex()}/link"] = digest
                for blob in self.all[digest].blobs:
                    groups[0][f"{folder}/_layers/sha256/{blob.digest.hex()}/link"] = blob.digest
            groups[2][f"{tag}/index/sha256/{name}/link"] = groups[3][f"{tag}/current/link"] = image.manifest
        return [(path, f"sha256:{group[path].hex()}".encode()) for group in groups for path in sorted(group)]
