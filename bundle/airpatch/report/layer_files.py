"""The files of a layer, as the tar says, and those that tell of packages. Reads only.

A file is known by its size and a hash of its type, link target and content: enough to tell whether it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import xxhash

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.delta.columns import weigh
from airpatch.delta.tar_members import BLOCK, TarMember, members
from airpatch.errors import FormatError, SourceError
from airpatch.execution import Execution
from airpatch.layers.compression import extract
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.report.package_records import is_package_record

_TYPE = BLOCK - 156
"""Where the type of a member is in its header, counted from its content."""
_LINK = 100
_FOLDER = b"5"
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_RECORD = 64 << 20
"""Bytes of a file that tells of packages; larger ones are not looked at."""
_STRETCH = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A file, link or device: `size` is that of its content in bytes, `identity` a hash of what it is."""

    size: int
    identity: int


@dataclass(slots=True)
class LayerFiles:
    """The `files` of a layer by path, and `records`, the contents of those that tell of packages.

    `hidden` are the paths that the layer hides of those below it, `emptied` the folders of which it hides everything.
    `weights` say about how many bytes each file takes when it is compressed; they are there if they were asked for.
    """

    files: dict[str, LayerFile] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)


def read_layer(
    content: Content,
    digest: Digest,
    size: int,
    execution: Execution,
    advance: Callable[[int], None],
    *,
    weighing: bool = False,
) -> LayerFiles | None:
    """Return the files of the layer of `size` bytes; None if it is not in `content` or does not decompress.

    `advance` receives how many bytes of the blob have been read. Raises TargetError if a scratch file fails.
    """
    found = LayerFiles()
    if content.size(digest) != size:
        return None
    with closing(ScratchFile(execution.scratch, str(digest))) as file:
        try:
            with closing(content.open(digest, size)) as reader:
                extract(reader, size, file.append, MAX_BLOB, advance)
        except (FormatError, SourceError):
            return None
        layer = memoryview(file.view())
        for member in members(layer):
            _take(member, layer, found, weighing)
    return found


def _take(member: TarMember, layer: memoryview, found: LayerFiles, weighing: bool) -> None:
    path = member.path.decode(errors="backslashreplace").removeprefix("./").strip("/")
    folder, slash, name = path.rpartition("/")
    data = layer[member.content : member.content + member.size]
    if weighing:
        found.weights[path] = BLOCK // 8 + sum(
            weigh(bytes(data[at : at + _STRETCH])) for at in range(0, len(data), _STRETCH)
        )
    kind = bytes(layer[member.content - _TYPE : member.content - _TYPE + 1])
    if name == _OPAQUE:
        found.emptied.append(folder)
    elif name.startswith(_WHITEOUT):
        found.hidden.append(folder + slash + name.removeprefix(_WHITEOUT))
    elif kind != _FOLDER:
        link = bytes(layer[member.content - _TYPE : member.content - _TYPE + 1 + _LINK]) if kind in b"12" else b""
        hasher = xxhash.xxh3_64(link)
        for at in range(0, len(data), _STRETCH):
            hasher.update(data[at : at + _STRETCH])
        found.files[path] = LayerFile(member.size, hasher.intdigest())
        if is_package_record(path) and member.size <= _MAX_RECORD:
            found.records[path] = bytes(data)


@dataclass(slots=True)
class Stacked:
    """What an image shows of its layers: its `files`, and the `records` among them that tell of packages."""

    files: dict[str, LayerFile] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)

    def put(self, layer: LayerFiles) -> None:
        """Put a layer upon those that are there (image-spec `layer.md`, Whiteouts)."""
        exact = set(layer.hidden)
        below = tuple(f"{path}/" if path else "" for path in (*layer.hidden, *layer.emptied))
        for known in (self.files, self.records) if below else ():
            for path in [path for path in known if path in exact or path.startswith(below)]:
                del known[path]
        self.files.update(layer.files)
        for path in layer.files.keys() & self.records.keys() - layer.records.keys():
            del self.records[path]
        self.records.update(layer.records)


def stacked(layers: Mapping[Digest, LayerFiles | None], order: Sequence[Digest]) -> Stacked | None:
    """Return what the layers show in that `order`; None if one of them could not be read."""
    shown = Stacked()
    for digest in order:
        layer = layers[digest]
        if layer is None:
            return None
        shown.put(layer)
    return shown
