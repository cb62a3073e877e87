"""The files of a layer, as the tar says, and those that tell of packages. Reads only.

A file is known by its size and a hash of its type, link target and content: enough to tell whether it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import xxhash

from airpatch import limits
from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.delta.columns import weigh
from airpatch.delta.tar_members import BLOCK, TarMember, members
from airpatch.errors import FormatError, SourceError
from airpatch.execution import Execution
from airpatch.layers.compression import extract
from airpatch.model.digest import Digest
from airpatch.report.package_records import is_package_record

_TYPE = BLOCK - 156
"""Where the type of a member is in its header, counted from its content."""
_LINK = 100
_FOLDER = b"5"
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_RECORD = 64 << 20
"""Bytes of a file that tells of packages; larger ones are not looked at."""
_MAX_PATH = 4096
"""Bytes of a path that are kept, as many as Linux takes."""
_MAX_HELD = 512 << 20
"""Bytes of paths and records of a layer that are held in memory; layers with more are not looked at."""
_FILE_COST = 150
"""Bytes that a file takes beside its path."""
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
    """Return the files of the layer of `size` bytes; None if it is not in `content`, does not decompress or is over a
    limit.

    `advance` receives how many bytes of the blob have been read. Raises TargetError if a scratch file fails.
    """
    found = LayerFiles()
    if content.size(digest) != size:
        return None
    with closing(ScratchFile(execution.scratch, str(digest))) as file:
        try:
            with closing(content.open(digest, size)) as reader:
                extract(reader, size, file.append, limits.unpacked(size), advance)
        except (FormatError, SourceError):
            return None
        layer = memoryview(file.view())
        held = 0
        for member in members(layer):
            held += _take(member, layer, found, weighing)
            if held > _MAX_HELD:
                return None
    return found


def _take(member: TarMember, layer: memoryview, found: LayerFiles, weighing: bool) -> int:
    """Add a member to `found`; return how many bytes it takes there."""
    path = member.path[:_MAX_PATH].decode(errors="backslashreplace").removeprefix("./").strip("/")
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
            return len(path) + _FILE_COST + len(data)
    return len(path) + _FILE_COST


@dataclass(slots=True)
class Stacked:
    """What an image shows of its layers: its `files`, and the `records` among them that tell of packages."""

    files: dict[str, LayerFile] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)

    def put(self, layer: LayerFiles) -> None:
        """Put a layer upon those that are there (image-spec `layer.md`, Whiteouts)."""
        hidden = frozenset(layer.hidden)
        folders = hidden.union(layer.emptied)
        for known in (self.files, self.records) if folders else ():
            for path in [path for path in known if path in hidden or not folders.isdisjoint(_folders_above(path))]:
                del known[path]
        self.files.update(layer.files)
        for path in layer.files.keys() & self.records.keys() - layer.records.keys():
            del self.records[path]
        self.records.update(layer.records)


def _folders_above(path: str) -> Iterator[str]:
    """Yield the folders that `path` is in, the outermost first."""
    yield ""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def stacked(layers: Mapping[Digest, LayerFiles | None], order: Sequence[Digest]) -> Stacked | None:
    """Return what the layers show in that `order`; None if one of them could not be read."""
    shown = Stacked()
    for digest in order:
        layer = layers[digest]
        if layer is None:
            return None
        shown.put(layer)
    return shown
