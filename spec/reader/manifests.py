"""Manifests, the table of blobs that they give, and the links (FORMAT.md, Manifests, The table of blobs, Links)."""

import json
import re
from typing import Any, NamedTuple

from . import names
from .canonical import Leaf, build
from .errors import refusing, require
from .index import Index

MAX_DEPTH, MAX_VALUES, MAX_NESTING = 100, 1048576, 8
STRING, ANY = Leaf(str, "string"), None
STRINGS = Leaf(tuple, "object of strings", lambda pairs: all(one is None or type(one) is str for _, one in pairs))
INTEGER = Leaf(bytes, "integer of 64 bits", lambda digits: len(digits) <= 20 and -(2**63) <= int(digits) < 2**63)
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
BASE64 = Leaf(str, "base64", lambda text: re.fullmatch(_BASE64, re.sub(r"[\r\n]", "", text)))
# The keys that an object may have, and the forms of their values.
PLATFORM: dict[str, Any] = {"architecture": STRING, "os": STRING, "os.version": STRING, "variant": STRING}
PLATFORM |= {"os.features": [STRING], "features": [STRING]}
DESCRIPTOR: dict[str, Any] = {"mediaType": STRING, "digest": STRING, "size": INTEGER, "artifactType": STRING}
DESCRIPTOR |= {"urls": [STRING], "annotations": STRINGS, "data": BASE64, "platform": PLATFORM}
MANIFEST: dict[str, Any] = {
    "schemaVersion": INTEGER,
    "mediaType": STRING,
    "artifactType": STRING,
    "subject": DESCRIPTOR,
}
MANIFEST |= {"config": DESCRIPTOR, "layers": [DESCRIPTOR], "manifests": [DESCRIPTOR], "annotations": STRINGS}
MANIFEST |= {"fsLayers": ANY, "history": ANY}


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


def _known(form: Any, value: Any) -> Any:
    """A value that must have the form; objects as dicts of the known keys that are there and not null."""
    if form is ANY:
        return value
    if isinstance(form, Leaf):
        return build(form, value)
    if isinstance(form, list):
        require(type(value) is list, "a value that is no list")
        return [_known(form[0], one) for one in value if one is not None or form[0] is DESCRIPTOR]
    require(type(value) is tuple, "a value that is no object")
    folded = {key.lower(): key for key in form}
    found: dict[str, Any] = {}
    for key, one in value:
        name = folded.get(key.replace("\u017f", "s").replace("\u212a", "k").lower())
        require(name in (None, key), f"a key that differs from {name} by case alone")
        require(key not in found, f"{key} twice in one object")
        if name:
            found[name] = one if one is None else _known(form[name], one)
    return {key: one for key, one in found.items() if one is not None}


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
    digest, size = descriptor.get("digest", ""), int(descriptor.get("size", -1))
    require(re.fullmatch("sha256:[0-9a-f]{64}", digest), "a digest that is none")
    require(size >= 0, "a size that is none")
    return Reference(bytes.fromhex(digest[7:]), size, build(names.MEDIA_TYPE, descriptor.get("mediaType", default)))


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest."""
    values = _known(MANIFEST, parse_json(data))
    require(int(values.get("schemaVersion", 0)) == 2, "another schemaVersion than 2")
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
        order = sorted(sizes.keys() - heights, key=lambda digest: (-sizes[digest], digest))
        order += sorted(sizes.keys() & heights, key=lambda digest: (heights[digest], digest))
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
