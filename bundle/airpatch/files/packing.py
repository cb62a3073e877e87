"""A folder as an OCI artifact: an image manifest with one uncompressed tar for each folder at its top.

Files at the top are one layer more. So a change in one folder leaves the layers of all others as they are, and a patch
has the difference of one tar. The manifest's `artifactType` says what it is (OCI image-spec `manifest.md`, Guidelines
for Artifact Usage; spec/FILES.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airpatch import limits
from airpatch.blobs.content import PIECE, BlobReader, BytesContent, ChainedContent, Content, require
from airpatch.blobs.scratch import ScratchFile, ScratchRange, ScratchStore
from airpatch.errors import FormatError, SourceError, UsageError
from airpatch.execution import NewFile
from airpatch.files.tar_entries import MAX_ENTRIES, FileEntry
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_MANIFEST
from airpatch.model.names import ImageName, check_repository

ARTIFACT_TYPE = "application/vnd.airpatch.files.v1"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"
"""The config of artifacts that have none (OCI image-spec `manifest.md`, Guidance for an Empty Descriptor)."""
TITLE = "org.opencontainers.image.title"
LISTING = ".airpatch-files"
"""The file in a folder that was laid out which lists what belongs to the release."""
_END = bytes(1024)
"""Two blocks of zeros end a tar (POSIX.1 `pax`)."""
_NOT_IN_A_TAG = re.compile(r"[^\w.-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class FilesOption:
    """A folder and the repository that its files are to have in the release."""

    folder: Path
    repository: str

    @classmethod
    def parse(cls, text: str) -> FilesOption:
        """`DIR=REPOSITORY`. Raises UsageError."""
        folder, equals, repository = text.rpartition("=")
        try:
            if not equals or not folder:
                raise FormatError("write DIR=REPOSITORY, such as deploy/=shop/files")
            check_repository(repository)
        except FormatError as error:
            raise UsageError(f"--files {text}: {error.message}") from None
        return cls(Path(folder), repository)


@dataclass(frozen=True, slots=True)
class FilesArtifact:
    """A manifest, and `content`, which has its layers and config."""

    name: ImageName
    manifest: bytes
    content: Content


def tag_of(release: str) -> str:
    """Return the name of a release as a tag: `-` replaces what a tag cannot have, and `_` goes before a bad start."""
    text = _NOT_IN_A_TAG.sub("-", release)
    return (text if re.match(r"\w", text, re.ASCII) else f"_{text}")[:128]


def pack_files(option: FilesOption, release: str, new_file: NewFile) -> FilesArtifact:
    """Return the files of a folder as an artifact; layers lie in scratch files.

    Raises SourceError naming everything that cannot be packed, or cannot be read.
    """
    findings: list[str] = []
    groups: dict[str, list[FileEntry]] = {}
    for number, entry in enumerate(_walk(option.folder, findings)):
        top, slash, _ = entry.path.partition("/")
        group = top if slash or entry.type == stat.S_IFDIR else ""
        groups.setdefault(group, []).append(entry)
        if number >= MAX_ENTRIES:
            raise SourceError(f"{option.folder}: has more than {MAX_ENTRIES:,} files and folders")
    if not groups and not findings:
        findings.append(f"{option.folder}: holds no files")
    if findings:
        raise SourceError("files cannot be packed", findings)
    packed = _PackedLayers(new_file)
    layers = []
    for group, entries in sorted(groups.items()):
        digest, size = packed.add(option.folder, entries)
        layer: dict[str, object] = {"mediaType": LAYER_TYPE, "digest": str(digest), "size": size}
        layers.append({**layer, "annotations": {TITLE: group or "."}})
    config = {"mediaType": _EMPTY_TYPE, "digest": str(Digest.of(_EMPTY)), "size": len(_EMPTY)}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": config,
        "layers": layers,
    }
    manifest = json.dumps(document, separators=(",", ":")).encode()
    if len(manifest) > limits.MANIFEST.value:
        raise SourceError(
            f"{option.folder}: has {len(layers):,} layers, one for each folder at its top, so that its manifest has "
            f"more than {limits.MANIFEST} bytes: put them into one folder"
        )
    content = ChainedContent([BytesContent({Digest.of(_EMPTY): _EMPTY}), packed])
    return FilesArtifact(ImageName(option.repository, tag_of(release)), manifest, content)


def _walk(folder: Path, findings: list[str]) -> Iterator[FileEntry]:
    """Yield what lies in the folder, sorted by path, folders first, except what airpatch keeps there."""
    pending = [""]
    if not folder.is_dir():
        findings.append(f"{folder}: is not a folder")
        return
    while pending:
        below = pending.pop()
        try:
            with os.scandir(folder / below) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            findings.append(f"{folder / below}: cannot be read: {error.strerror}")
            continue
        for entry in entries:
            path = f"{below}/{entry.name}".lstrip("/")
            if path == LISTING:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
                target = str(Path(entry.path).readlink()) if stat.S_ISLNK(status.st_mode) else ""
                kind = stat.S_IFMT(status.st_mode)
                mode = 0o777 if kind == stat.S_IFLNK else status.st_mode & 0o777
                yield FileEntry(path, kind, mode, status.st_size if kind == stat.S_IFREG else 0, target)
            except FormatError as error:
                findings.append(f"{folder}: {error.message}")
                continue
            except OSError as error:
                findings.append(f"{entry.path}: cannot be read: {error.strerror}")
                continue
            if kind == stat.S_IFDIR:
                pending.append(path)


class _PackedLayers:
    """A `Content` of tars in scratch files."""

    def __init__(self, new_file: NewFile) -> None:
        self._new_file = new_file
        self._store = ScratchStore(new_file)
        self._layers: dict[Digest, ScratchRange] = {}

    def size(self, digest: Digest) -> int | None:
        layer = self._layers.get(digest)
        return None if layer is None else layer.size

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "the packed files")
        return self._layers[digest]

    def add(self, folder: Path, entries: list[FileEntry]) -> tuple[Digest, int]:
        """Write the tar of `entries`. Raises SourceError if a file cannot be read, or changes meanwhile."""
        file = ScratchFile(self._new_file, str(folder))
        hash_ = hashlib.sha256()

        def write(piece: bytes) -> None:
            file.append(piece)
            hash_.update(piece)

        for entry in sorted(entries, key=lambda entry: entry.path.split("/")):
            write(entry.header())
            if entry.type == stat.S_IFREG:
                for piece in _read(folder / entry.path, entry.size):
                    write(piece)
                write(bytes(-entry.size % 512))
        write(_END)
        digest = Digest(hash_.digest())
        self._layers[digest] = self._store.keep(file)
        return digest, self._layers[digest].size


def _read(path: Path, size: int) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        while size:
            piece = os.read(fd, min(size, PIECE))
            if not piece:
                raise SourceError(f"{path}: shrank while it was being read")
            size -= len(piece)
            yield piece
        if os.read(fd, 1):
            raise SourceError(f"{path}: grew while it was being read")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        with suppress(OSError):
            os.close(fd)
