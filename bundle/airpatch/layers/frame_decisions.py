"""Decisions of zstd blobs in scratch files: read from a blob, or from what a replica makes (spec/ENCODERS.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import accumulate

from airpatch.blobs.scratch import ScratchFile
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_decisions import Covers, parse
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.piece_reader import PieceReader

_HELD = 1 << 20
"""Bytes of a column that are kept before they are written."""


@dataclass(frozen=True, slots=True)
class FrameDecisions:
    """The columns of a zstd file, and the matches by which others are aligned with it."""

    layout: ScratchFile
    runs: ScratchFile
    hits: ScratchFile
    offsets: ScratchFile
    matches: ScratchFile

    @property
    def columns(self) -> list[ScratchFile]:
        return [self.layout, self.runs, self.hits, self.offsets]


def read_decisions(
    pieces: Iterable[bytes | memoryview],
    limit: int,
    new: Callable[[], ScratchFile],
    pause: Callable[[], None],
    alignment: Alignment | None = None,
    content: Iterable[bytes | memoryview] | None = None,
) -> FrameDecisions:
    """Return the decisions of the zstd file that comes in `pieces`, in `new` files.

    Without its uncompressed `content`, `hits` and `offsets` stay empty: others are aligned with it all the same.
    `pause` is called now and then. Raises FormatError if it has no decisions, or more than `limit` bytes of content.
    """
    decisions = FrameDecisions(*(new() for _ in range(5)))
    files = (*decisions.columns, decisions.matches)
    held = [bytearray() for _ in files]
    uncompressed = None if content is None else PieceReader(content).read
    for part in parse(PieceReader(pieces).read, limit, alignment, uncompressed):
        for file, buffer, data in zip(files, held, astuple(part), strict=True):
            buffer += data
            if len(buffer) >= _HELD:
                pause()
                file.append(buffer)
                buffer.clear()
    for file, buffer in zip(files, held, strict=True):
        file.append(buffer)
    return decisions


def replica_frame(encoder: str, content: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the frame that a replica makes of `size` bytes. Raises FormatError if the encoder is unknown."""
    writer = frame_encoder(encoder)
    writer.begin(size)
    for piece in content:
        yield writer.feed(piece)
    yield writer.finish()


def align(covers: Covers, decisions: FrameDecisions) -> Alignment:
    """Return what foretells offsets by those of another file, `covers` being what its content has in common."""
    return covers.alignment(memoryview(decisions.matches.view()))


def same_content(size: int) -> Covers:
    """Return the cover of a file that has the very content."""
    covers = Covers()
    covers.add([(0, 0, size)], 0, size)
    return covers


@dataclass(frozen=True, slots=True)
class CoversOf:
    """Takes the covers of a difference to many sources, and keeps those of one."""

    covers: Covers
    begin: int
    end: int

    @classmethod
    def source(cls, number: int, sizes: Iterable[int]) -> CoversOf:
        """Keep those of the source of that number; `sizes` are those of all, uncompressed."""
        ends = list(accumulate(sizes, initial=0))
        return cls(Covers(), ends[number], ends[number + 1])

    def take(self, covers: Iterable[tuple[int, int, int]]) -> None:
        """Take the covers of a group, as the decoder of a difference reports them."""
        self.covers.add(covers, self.begin, self.end)
