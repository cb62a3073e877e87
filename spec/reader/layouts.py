"""Layouts of zstd files (ENCODERS.md, Layouts), those of libzstd, and the files that they describe."""

import struct

from . import zstd
from .encoders import zstd_frame
from .errors import Unsupported, require

FRAME, PART, BYTES, CONTENTS = 0, 1, 2, 3
MIB = 1048576


def _parts(*parts: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<BBQ", kind, 0, size) for kind, size in parts)


def of_file(blob: bytes) -> tuple[bytes, bytes]:
    """Layout and rest of a zstd file that is taken for one of libzstd."""
    layout = rest = b""
    frames = zstd.frames_of(blob)
    end = frames[-1].end if frames else 0
    for frame in [*frames, zstd.Frame(end, len(blob), [])]:
        ends = frame.ends
        if ends:
            size = len(zstd.unpack(blob, frame, 2**63))
            flushed = len(ends) > 2 and ends[-1] - ends[-2] == 3  # the last block is empty
            layout += _parts((PART, size), (FRAME, 0)) if flushed else _parts((FRAME, size))
            continue
        if blob.startswith(zstd.MAGIC, frame.begin + 8) and frame.begin < end:
            raise Unsupported("a table of contents")
        layout += _parts(*((BYTES, min(MIB, frame.end - at)) for at in range(frame.begin, frame.end, MIB)))
        rest += blob[frame.begin : frame.end]
    return layout, rest


def to_file(encoder: str, content: bytes, layout: bytes, rest: bytes) -> bytes:
    """The zstd file of this uncompressed data, layout and rest, whose frames the encoder makes."""
    require(len(layout) % 10 == 0, "a part of a layout that is cut short")
    out = b""
    parts: list[bytes] = []  # of a frame that is flushed
    for kind, magic, size in struct.iter_unpack("<BBQ", layout):
        require(magic <= 15 and kind <= CONTENTS, "a part of a layout that is none")
        require(not parts or kind in (FRAME, PART), "a flushed frame that does not go on")
        if kind == CONTENTS:
            raise Unsupported("a table of contents")
        if kind == BYTES:
            require(0 < size <= len(rest), "a part of the rest that is not there, or empty")
            out, rest = out + rest[:size], rest[size:]
            continue
        require(size <= len(content), "a part of uncompressed data that is not there")
        parts.append(content[:size])
        content = content[size:]
        if kind == FRAME:
            out += zstd_frame(encoder, parts)
            parts = []
    require(not (parts or content or rest), "uncompressed data or a rest that is left over")
    return out
