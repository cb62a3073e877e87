"""A layer patch as bytes: a header, then sections (spec/FORMAT.md, Layer patches).

The first section is the difference of the uncompressed layers (spec/DELTA.md), with `Raw` of the blobs themselves. The
header says how the blob's bytes follow from the uncompressed content; `Replay` and `Corrected` have four more sections,
the blob's decisions, each as a difference to the same decisions of other gzip files (spec/DEFLATE.md).
`GzipMembers` has two, the layout and the rest of a gzip file of several members (spec/ENCODERS.md). For zstd files,
`FrameReplay` and `CorrectedFrames` have four, too, and `Frames` two, the layout and the rest (spec/ENCODERS.md).
`Whole` has the blob itself as its only section. Where the difference is one of views (spec/VIEWS.md), their
descriptions are the last two sections.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from airpatch.blobs.content import BlobReader, SectionReader
from airpatch.errors import FormatError
from airpatch.format import canonical

VERSION = 1
MAX_HEADER = 2 << 20
"""Bytes: a gzip header may hold 1 MiB of names and comments."""
COLUMNS = 4
"""Decisions of a gzip file: layout, runs, sources, distances; of a zstd file: layout, runs, hits, offsets."""
FRAME_COLUMNS = 2
"""What a zstd file, or a gzip file of several members, is beside its content: layout, rest."""
_LENGTH = struct.Struct("<I")
PREFIX = _LENGTH.size + MAX_HEADER
"""Bytes of a layer patch that may stand before its first section."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The blob is not compressed."""


@dataclass(frozen=True, slots=True)
class Replica:
    """The blob is a gzip file of one member: `start`, what the encoder makes of the content, CRC-32, size.

    `like` has the number of a source that the same encoder wrote, at most one: what it decided there need not be
    searched for again. With `Corrected` it is empty.
    """

    encoder: str
    start: bytes
    like: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Replay:
    """The blob is written again from its decisions: differences to those of the sources numbered `like`, each once."""

    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """The blob is written again from its decisions: differences to those of the file that the replica makes."""

    by: Replica


@dataclass(frozen=True, slots=True)
class GzipMembers:
    """The blob is gzip members that the encoder makes of the layer, and what stands between them.

    Layout and rest are differences to those of the sources numbered `like`, each once.
    """

    encoder: str
    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """The blob is zstd frames that the encoder makes of the layer, and what stands between them.

    Layout and rest are differences to those of the sources numbered `like`, each once.
    """

    encoder: str
    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FrameReplay:
    """The blob is a zstd file that is written again from its decisions.

    `like` is the number of the source, if any, to whose decisions they are differences.
    """

    like: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CorrectedFrames:
    """The same; the decisions are differences to those of the one frame that the encoder makes of the content."""

    encoder: str


@dataclass(frozen=True, slots=True)
class Raw:
    """The blob is a difference to its sources as they are, compressed: it has frames that they have, too."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The blob is the section."""


Method = Plain | Replica | Replay | Corrected | GzipMembers | Frames | FrameReplay | CorrectedFrames | Raw | Whole


@dataclass(frozen=True, slots=True)
class ViewSizes:
    """The difference makes the view of the layer, of `target` bytes, from the contents of all sources and then a
    view of these, of `sources` bytes."""

    target: int
    sources: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """The method, and the sizes of the sections in bytes. `start` is where the first one begins.

    With `views`, the last two sections are the descriptions of the target's view and of the sources'.
    """

    method: Method
    sections: tuple[int, ...]
    start: int = 0
    views: ViewSizes | None = None

    def section(self, number: int) -> tuple[int, int]:
        """Offset and size of a section in the layer patch."""
        offsets = list(accumulate(self.sections[:-1], initial=self.start))
        return offsets[number], self.sections[number]


def section(patch: BlobReader, recipe: Recipe, number: int) -> SectionReader:
    """Return a section of a layer patch, to be read from its beginning."""
    return SectionReader(patch, *recipe.section(number))


def method_name(method: Method) -> str:
    """`plain`, `replica ENCODER`, `corrected ENCODER`, `members ENCODER`, `frames ENCODER`, `replay`, `raw` or `whole`.

    What is replayed or corrected may be a gzip file or a zstd file.
    """
    match method:
        case Replica(encoder):
            return f"replica {encoder}"
        case Corrected(Replica(encoder)) | CorrectedFrames(encoder):
            return f"corrected {encoder}"
        case GzipMembers(encoder, _):
            return f"members {encoder}"
        case Frames(encoder, _):
            return f"frames {encoder}"
        case FrameReplay():
            return "replay"
    return type(method).__name__.lower()


def section_count(method: Method, has_views: bool = False) -> int:
    """Return how many sections a layer patch of that method has."""
    decisions = 0
    if isinstance(method, Replay | Corrected | FrameReplay | CorrectedFrames):
        decisions = COLUMNS
    elif isinstance(method, GzipMembers | Frames):
        decisions = FRAME_COLUMNS
    return 1 + decisions + (2 if has_views else 0)


def emit_header(method: Method, sections: tuple[int, ...], views: ViewSizes | None = None) -> bytes:
    """Return the bytes before the sections."""
    match method:
        case Plain():
            plain: list[object] = ["plain"]
        case Replica(encoder, start, like):
            plain = ["replica", encoder, start, list(like)]
        case Replay(like):
            plain = ["replay", list(like)]
        case Corrected(Replica(encoder, start)):
            plain = ["corrected", encoder, start]
        case GzipMembers(encoder, like):
            plain = ["members", encoder, list(like)]
        case Frames(encoder, like):
            plain = ["frames", encoder, list(like)]
        case FrameReplay(like):
            plain = ["frame replay", list(like)]
        case CorrectedFrames(encoder):
            plain = ["corrected frames", encoder]
        case Raw():
            plain = ["raw"]
        case _:
            plain = ["whole"]
    document: dict[str, object] = {"airpatch": VERSION, "method": plain, "sections": list(sections)}
    if views is not None:
        document["views"] = [views.target, views.sources]
    header = canonical.pack(document)
    return _LENGTH.pack(len(header)) + header


def read_header(reader: BlobReader, size: int) -> Recipe:
    """Return the recipe of the layer patch of `size` bytes. Raises FormatError unless it is canonical and fills the
    patch.
    """
    prefix = bytearray(_LENGTH.size)
    if size < len(prefix):
        raise FormatError("a layer patch that is cut short")
    reader.read_into(memoryview(prefix), 0)
    length = _LENGTH.unpack(prefix)[0]
    if length > min(MAX_HEADER, size - len(prefix)):
        raise FormatError("a layer patch whose header does not fit into it")
    header = bytearray(length)
    reader.read_into(memoryview(header), len(prefix))
    recipe = replace(_parse(bytes(header)), start=len(prefix) + length)
    canonical_form = emit_header(recipe.method, recipe.sections, recipe.views)
    if canonical_form != bytes(prefix + header) or recipe.start + sum(recipe.sections) != size:
        raise FormatError("a layer patch whose header is not in canonical form, or whose sections do not fill it")
    return recipe


def _parse(header: bytes) -> Recipe:
    match canonical.unpack(header, "the header of a layer patch"):
        case {
            "airpatch": version,
            "method": [str(name), *details],
            "sections": list(sections),
            **others,
        } if version == VERSION:
            sizes = tuple(map(_natural, sections))
            method = _method(name, details)
            views = _views(others)
            has_views = views is not None
            if has_views and isinstance(method, Raw | Whole):
                method = None
            if method is not None and len(sizes) == section_count(method, has_views):
                return Recipe(method, sizes, views=views)
    raise FormatError("a layer patch with a header that this airpatch does not read")


def _method(name: str, details: list[object]) -> Method | None:
    match name, details:
        case "plain", []:
            return Plain()
        case "replica", [str(encoder), bytes(start), list(like)]:
            numbers = _numbers(like)
            return None if numbers is None or len(numbers) > 1 else Replica(encoder, start, numbers)
        case "replay", [list(like)]:
            numbers = _numbers(like)
            return None if numbers is None else Replay(numbers)
        case "corrected", [str(encoder), bytes(start)]:
            return Corrected(Replica(encoder, start))
        case "members", [str(encoder), list(like)]:
            numbers = _numbers(like)
            return None if numbers is None else GzipMembers(encoder, numbers)
        case "frames", [str(encoder), list(like)]:
            numbers = _numbers(like)
            return None if numbers is None else Frames(encoder, numbers)
        case "frame replay", [list(like)]:
            numbers = _numbers(like)
            return None if numbers is None or len(numbers) > 1 else FrameReplay(numbers)
        case "corrected frames", [str(encoder)]:
            return CorrectedFrames(encoder)
        case "raw", []:
            return Raw()
        case "whole", []:
            return Whole()
    return None


def _numbers(like: list[object]) -> tuple[int, ...] | None:
    """Return the numbers of sources, each once; None if one is there twice."""
    numbers = tuple(map(_natural, like))
    return numbers if len(set(numbers)) == len(numbers) else None


def _views(others: Mapping[object, object]) -> ViewSizes | None:
    match others.get("views"):
        case [target, sources]:
            return ViewSizes(_natural(target), _natural(sources))
    return None


def _natural(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FormatError("a layer patch with something else where a number belongs")
    return value
