"""Adds signatures over the index to an existing bundle, or removes them (spec/FORMAT.md, Signatures).

All other frames are copied as they are; only the seek table is replaced. The file is replaced in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.open_bundles import open_file_frames
from airpatch.archive.opening import read_opening
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.output import DescriptorSink, output_file
from airpatch.errors import FormatError, UsageError
from airpatch.format import layout, tar, zstd

_PIECE = 8 << 20
"""Bytes copied at a time."""


def replace_signatures(name: str, signatures: Sequence[bytes]) -> None:
    """Make `signatures`, armored and at most 16, those of the bundle in the file `name`.

    Raises UsageError if there are too many or `name` is not a file, FormatError if it is not a bundle, TargetError if
    it cannot be written; the file is then as it was.
    """
    if len(signatures) > layout.MAX_SIGNATURES:
        raise UsageError(
            f"{name}: would have {len(signatures)} signatures; at most {layout.MAX_SIGNATURES} are allowed"
        )
    with closing(open_file_frames(name)) as reader:
        if not isinstance(reader.source, FileBytes):
            raise UsageError(f"{name}: is in parts; sign the bundle before it is split, or 'airpatch join' it first")
        opening = read_opening(reader)
        index_frames = reader.passed - bool(opening.signatures)
        with output_file(Path(name)) as sink:
            _copy(reader, sink, 0, index_frames)
            made = [_frame(plan) for plan in layout.index_signatures_section(signatures)]
            for frame in made:
                sink.write([frame])
            _copy(reader, sink, reader.passed, len(reader.table))
            entries = [zstd.Frame(len(frame), zstd.content_size(frame), zstd.trailer(frame)) for frame in made]
            sink.write([zstd.emit_seek_table([*reader.table[:index_frames], *entries, *reader.table[reader.passed :]])])
    with closing(open_file_frames(name)) as reader:
        written = read_opening(reader)
        if (written.content, written.signatures) != (opening.content, tuple(signatures)):
            raise FormatError(f"{name}: what was read back is not what was written; check the disk")


def _frame(plan: layout.FramePlan) -> bytes:
    content = b"".join(
        piece.member.header + (piece.member.content or b"") + tar.padding(piece.member.size) for piece in plan.pieces
    )
    return zstd.compress(content)


def _copy(reader: FileFrameReader, sink: DescriptorSink, first: int, last: int) -> None:
    """Copy the frames from `first` to before `last` as they lie in the file."""
    position = sum(frame.compressed for frame in reader.table[:first])
    end = position + sum(frame.compressed for frame in reader.table[first:last])
    buffer = memoryview(bytearray(min(_PIECE, end - position)))
    while position < end:
        piece = buffer[: end - position]
        reader.read_into(piece, position)
        sink.write([piece])
        position += len(piece)
