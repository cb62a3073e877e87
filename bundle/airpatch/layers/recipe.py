"""A layer patch as bytes: a header, then sections (spec/FORMAT.md, Layer patches).

The first section is the difference of the uncompressed layers (spec/DELTA.md), with `Raw` of the blobs themselves. The
header says how the blob's bytes follow from the uncompressed content; `Replay` and `Corrected` have four more sections,
the blob's decisions, each as a difference to the same decisions of other gzip files (spec/DEFLATE.md); `Frames` has
two, the layout and the rest of a zstd file, likewise (spec/ENCODERS.md). `Whole` has the blob itself as its only
section.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate

from airpatch.blobs.content import BlobReader
from airpatch.errors import FormatError
from airpatch.format import canonical

VERSION = 1
MAX_HEADER = 2 << 20
"""Bytes: a gzip header may hold 1 MiB of names and comments."""
COLUMNS = 4
"""Decisions of a gzip file: layout, runs, sources, distances."""
FRAME_COLUMNS = 2
"""What a zstd file is beside its plaintext: layout, rest."""
_LENGTH = struct.Struct("<I")
PREFIX = _LENGTH.size + MAX_HEADER
"""Bytes of a layer patch that may stand before its first section."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The blob is not compressed."""


@dataclass(frozen=True, slots=True)
class Replica:
    """The blob is a gzip file of one member: `start`, what the encoder makes of the content, CRC-32, size."""

    encoder: str
    start: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """The blob is written anew from its decisions: differences to those of the sources numbered `like`, each once."""

    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """The blob is written anew from its decisions: differences to those of the file that the replica makes."""

    by: Replica


@dataclass(frozen=True, slots=True)
class Frames:
    """The blob is zstd frames that the encoder makes of the plaintext, and what stands between them.

    Layout and rest are differences to those of the sources numbered `like`, each once.
    """

    encoder: str
    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Raw:
    """The blob is a difference to its sources as they are, compressed: it has frames that they have, too."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The blob is the section."""


Method = Plain | Replica | Replay | Corrected | Frames | Raw | Whole


@dataclass(frozen=True, slots=True)
class Recipe:
    """The method, and the sizes of the sections in bytes. `start` is where the first one begins."""

    method: Method
    sections: tuple[int, ...]
    start: int = 0

    def section(self, number: int) -> tuple[int, int]:
        """Offset and size of a section in the layer patch."""
        offsets = list(accumulate(self.sections, initial=self.start))
        return offsets[number], self.sections[number]


def method_name(method: Method) -> str:
    """`plain`, `replica ENCODER`, `corrected ENCODER`, `frames ENCODER`, `replay`, `raw` or `whole`."""
    match method:
        case Replica(encoder, _):
            return f"replica {encoder}"
        case Corrected(Replica(encoder, _)):
            return f"corrected {encoder}"
        case Frames(encoder, _):
            return f"frames {encoder}"
    return type(method).__name__.lower()


def section_count(method: Method) -> int:
    """Return how many sections a layer patch of that method has."""
    if isinstance(method, Replay | Corrected):
        return 1 + COLUMNS
    return 1 + FRAME_COLUMNS if isinstance(method, Frames) else 1


def emit_header(method: Method, sections: tuple[int, ...]) -> bytes:
    """Return the bytes before the sections."""
    match method:
        case Plain():
            plain: list[object] = ["plain"]
        case Replica(encoder, start):
            plain = ["replica", encoder, start]
        case Replay(like):
            plain = ["replay", list(like)]
        case Corrected(Replica(encoder, start)):
            plain = ["corrected", encoder, start]
        case Frames(encoder, like):
            plain = ["frames", encoder, list(like)]
        case Raw():
            plain = ["raw"]
        case Whole():
            plain = ["whole"]
    header = canonical.pack({"airpatch": VERSION, "method": plain, "sections": list(sections)})
    return _LENGTH.pack(len(header)) + header


def read_header(reader: BlobReader, size: int) -> Recipe:
    """Return the recipe of a layer patch of `size` bytes. Raises FormatError unless it is canonical and complete."""
    prefix = bytearray(_LENGTH.size)
    if size < len(prefix):
        raise FormatError("a layer patch that is cut short")
    reader.read_into(memoryview(prefix), 0)
    length = _LENGTH.unpack(prefix)[0]
    if length > min(MAX_HEADER, size - len(prefix)):
        raise FormatError("a layer patch whose header does not fit into it")
    header = bytearray(length)
    reader.read_into(memoryview(header), len(prefix))
    method, sections = _parse(bytes(header))
    start = len(prefix) + length
    if emit_header(method, sections) != bytes(prefix + header) or start + sum(sections) != size:
        raise FormatError("a layer patch whose header is not in canonical form, or whose sections do not fill it")
    return Recipe(method, sections, start)


def _parse(header: bytes) -> tuple[Method, tuple[int, ...]]:
    match canonical.unpack(header, "the header of a layer patch"):
        case {"airpatch": version, "method": [str(name), *details], "sections": list(sections)} if version == VERSION:
            sizes = tuple(map(_natural, sections))
            method = _method(name, details)
            if method is not None and len(sizes) == section_count(method):
                return method, sizes
    raise FormatError("a layer patch with a header that this airpatch does not read")


def _method(name: str, details: list[object]) -> Method | None:
    match name, details:
        case "plain", []:
            return Plain()
        case "replica", [str(encoder), bytes(start)]:
            return Replica(encoder, start)
        case "replay", [list(like)]:
            numbers = _numbers(like)
            return None if numbers is None else Replay(numbers)
        case "corrected", [str(encoder), bytes(start)]:
            return Corrected(Replica(encoder, start))
        case "frames", [str(encoder), list(like)]:
            numbers = _numbers(like)
            return None if numbers is None else Frames(encoder, numbers)
        case "raw", []:
            return Raw()
        case "whole", []:
            return Whole()
    return None


def _numbers(like: list[object]) -> tuple[int, ...] | None:
    """Numbers of sources, each once; None if one is there twice."""
    numbers = tuple(map(_natural, like))
    return numbers if len(set(numbers)) == len(numbers) else None


def _natural(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FormatError("a layer patch with something else where a number belongs")
    return value
