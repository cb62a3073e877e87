"""Layouts of zstd files (ENCODERS.md, Layouts), those of libzstd, and the files that they describe."""

import re

from . import encoders, zstd
from .errors import Unsupported, require

FRAME, PART, BYTES, CONTENTS = 0, 1, 2, 3
MIB = 1048576


def of_file(blob: bytes, encoder: str) -> tuple[bytes, bytes]:
    """Layout and rest of a zstd file that is taken for one of libzstd.

    Raises:
        FormatError: it is no zstd file.
        Unsupported: the encoder is another one, or the file has a table of contents.
    """
    if not encoder.startswith("libzstd"):
        raise Unsupported(f"encoder {encoder}")
    layout, rest = b"", b""
    at = 0
    for begin, end, skippable in zstd.frames_of(blob):
        at = end
        if skippable:
            if blob[begin + 8 : begin + 12] == zstd.MAGIC:
                raise Unsupported("a table of contents")
            layout += _bytes(end - begin)
            rest += blob[begin:end]
        else:
            size = len(zstd.unpack_blob(blob[begin:end], 2**63))
            flushed = zstd.parse(blob, begin).last_is_empty
            layout += _part(PART, size) + _part(FRAME, 0) if flushed else _part(FRAME, size)
    return layout + _bytes(len(blob) - at), rest + blob[at:]


def _part(kind: int, size: int) -> bytes:
    return bytes([kind, 0]) + size.to_bytes(8, "little")


def _bytes(size: int) -> bytes:
    return b"".join(_part(BYTES, min(MIB, size - at)) for at in range(0, size, MIB))


def to_file(encoder: str, content: bytes, layout: bytes, rest: bytes) -> bytes:
    """The zstd file of this uncompressed data, layout and rest, whose frames the encoder makes.

    Raises:
        FormatError: they do not fit each other.
        Unsupported: this reader does not have the encoder, or the file has a table of contents.
    """
    require(len(layout) % 10 == 0, "a part of a layout that is cut short")
    out = b""
    parts: list[bytes] = []
    for part in re.findall(rb"(?s).{10}", layout):
        kind, size = part[0], int.from_bytes(part[2:], "little")
        require(part[1] <= 15 and kind <= CONTENTS, "a part of a layout that is none")
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
            out += encoders.zstd_frame(encoder, parts)
            parts = []
    require(not (parts or content or rest), "uncompressed data or a rest that is left over")
    return out
