"""Docker archives: what `docker save`, `podman save -m` and `skopeo copy ... docker-archive:` write.

A `manifest.json` lists images, each with its config, its tags and its layers (moby `image/tarexport`). Docker's layers
are uncompressed there, named by their diff ids: the archive holds neither the compressed layers of a registry nor the
registry's manifest. The manifest of such an image is made here, byte for byte as containers/image does
(`docker/internal/tarfile/src.go`), so that the same archive gives the same digests wherever it is read. Layers that
are compressed in the archive, as other tools write them, stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from airpatch import limits
from airpatch.blobs.content import BlobReader, pieces, require
from airpatch.errors import AirpatchError, FormatError, SourceError
from airpatch.layers.compression import Compression, compression
from airpatch.model.digest import Digest
from airpatch.model.manifest import DOCKER_MANIFEST
from airpatch.model.names import ImageName
from airpatch.model.strict_json import Shape, Type, parse_list, parse_object
from airpatch.sources.location import DOCKER_INDEX, Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.oci_archives import OciArchive, holds_layout
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source, UnnamedImage
from airpatch.sources.tar_files import TarFiles
from airpatch.units import count

CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
"""For compressed and uncompressed layers alike, as in containers/image; runtimes look at the layer's first bytes."""
MAX_CONFIG = 8 << 20
_IMAGE: Shape = {"Config": Type.TEXT, "RepoTags": Type.TEXTS, "Layers": Type.TEXTS}
_CONFIG: Shape = {"rootfs": {"diff_ids": Type.TEXTS}}


@dataclass(frozen=True, slots=True)
class _Made:
    """An image: its manifest, and where in the archive each blob lies."""

    manifest: bytes
    paths: Mapping[Digest, str]


class DockerArchive(Source):
    """The images of `archive`."""

    def __init__(self, archive: TarFiles) -> None:
        self._archive = archive
        self._made: dict[str, _Made] = {}
        self._hashed: dict[str, Digest] = {}
        """Compressed layers by path: images have them in common, and a list may name one over and over."""

    def listing(self, names: GivenNames) -> Listing:
        where = self._archive.name(DOCKER_INDEX)
        try:
            entries = parse_list(self._archive.read(DOCKER_INDEX, limits.LISTING.value), _IMAGE)
        except FormatError as error:
            raise SourceError(f"{where}: {error.message}") from None
        images: list[FoundImage] = []
        unnamed: list[UnnamedImage] = []
        findings: list[str] = []
        for number, entry in enumerate(entries):
            load = partial(self._load, entry, f"{where}: image {number}")
            tags = _texts(entry, "RepoTags")
            for tag in tags:
                try:
                    images.append(FoundImage(ImageName.parse(tag), where, load))
                except FormatError as error:
                    findings.append(f"{where}: image {number}: {error.message}")
            if not tags:
                named, others = self._untagged(entry, names, f"{where}: image {number}")
                images += named
                unnamed += others
        if not entries:
            findings.append(f"{where}: names no image")
        remark = (
            f"{self._archive.path}: holds layers as 'docker save' writes them: airpatch makes the manifests, and their "
            "digests differ from those of the images in a registry; 'skopeo copy --all docker://IMAGE dir:IMAGE' "
            "keeps these"
        )
        return Listing(tuple(images), tuple(unnamed), tuple(findings), (remark,) if images else ())

    def _untagged(
        self, entry: Mapping[str, object], names: GivenNames, where: str
    ) -> tuple[list[FoundImage], list[UnnamedImage]]:
        try:
            digest = Digest.of(self._make(entry, where).manifest)
        except AirpatchError as error:
            return [], [UnnamedImage(where, error.message)]
        load = partial(self._load, entry, where)
        named = [FoundImage(name, where, load, digest) for name in names.get(digest, ())]
        return named, [] if named else [UnnamedImage(where, "has no tag (RepoTags)", digest)]

    def _load(self, entry: Mapping[str, object], where: str) -> LoadedImage:
        made = self._make(entry, where)
        top = Digest.of(made.manifest)
        manifests = read_manifests(top, {top: made.manifest}.get)
        return manifests.image(ArchiveContent(self._archive, made.paths))

    def _make(self, entry: Mapping[str, object], where: str) -> _Made:
        """Return the image of `entry`. Layers that are compressed are hashed here. Raises SourceError."""
        config_path = str(entry.get("Config") or "")
        if config_path not in self._made:
            self._made[config_path] = self._read(entry, config_path, where)
        return self._made[config_path]

    def _read(self, entry: Mapping[str, object], config_path: str, where: str) -> _Made:
        config = self._archive.read(config_path, MAX_CONFIG)
        try:
            rootfs = parse_object(config, _CONFIG).get("rootfs")
            diff_ids = [
                Digest.parse(text) for text in _texts(rootfs if isinstance(rootfs, Mapping) else {}, "diff_ids")
            ]
        except FormatError as error:
            raise SourceError(f"{self._archive.name(config_path)}: {error.message}") from None
        layers = _texts(entry, "Layers")
        if len(layers) != len(diff_ids):
            raise SourceError(f"{where}: has {count(len(layers), 'layer')}, but its config has {len(diff_ids)}")
        paths = {Digest.of(config): config_path}
        descriptors = []
        for path, diff_id in zip(layers, diff_ids, strict=True):
            digest, size = self._layer(path, diff_id)
            paths[digest] = path
            descriptors.append({"mediaType": LAYER_TYPE, "size": size, "digest": str(digest)})
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": str(Digest.of(config))},
            "layers": descriptors,
        }
        return _Made(json.dumps(document, separators=(",", ":")).encode(), paths)

    def _layer(self, path: str, diff_id: Digest) -> tuple[Digest, int]:
        """Return digest and size of a layer. The digest of an uncompressed one is its diff id, which readers check."""
        size = self._archive.size(path)
        if size is None:
            raise SourceError(f"{self._archive.name(path)}: is missing, or cannot be read")
        blob = self._archive.blob(path, size)
        start = bytearray(min(4, size))
        blob.read_into(memoryview(start), 0)
        if compression(bytes(start)) is Compression.NONE:
            return diff_id, size
        if path not in self._hashed:
            hash_ = hashlib.sha256()
            for piece in pieces(blob, size):
                hash_.update(piece)
            self._hashed[path] = Digest(hash_.digest())
        return self._hashed[path], size


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """Blobs of an archive at `paths`."""

    archive: TarFiles
    paths: Mapping[Digest, str]

    def size(self, digest: Digest) -> int | None:
        path = self.paths.get(digest)
        return None if path is None else self.archive.size(path)

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, str(self.archive.path))
        return self.archive.blob(self.paths[digest], size)


def _texts(data: Mapping[str, object], key: str) -> list[str]:
    value = data.get(key)
    return [str(text) for text in value if text is not None] if isinstance(value, list) else []


def recognise(location: Location) -> DockerArchive | OciArchive | None:
    """Return the archive in a file, None if it is none. Raises as `Location.archive` does."""
    archive = location.archive
    if archive is None or archive.lacks(DOCKER_INDEX):
        return None
    if holds_layout(archive):  # Docker 25 and newer: the layout tells more
        return OciArchive(archive) if location.prefix else None
    return DockerArchive(archive)
