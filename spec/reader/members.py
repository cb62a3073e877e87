"""Layouts of gzip files of several members (ENCODERS.md, Members), and the files that they describe."""

import struct

from . import deflate, encoders
from .errors import require

MEMBER, UNFLUSHED, BYTES, HEADER = 0, 1, 2, 3
MIB = 1048576
FLUSHED = "-flushed"
ENDS = (bytes.fromhex("0000ffff0300"), bytes.fromhex("0000ffff010000ffff"))


def layout_of(blob: bytes, encoder: str) -> tuple[bytes, bytes]:
    """Layout and rest of a gzip file that is taken for one of this encoder."""
    layout = rest = header = b""

    def part(kind: int, size: int) -> bytes:
        return struct.pack("<BQ", kind, size)

    def kept(data: bytes) -> bytes:
        return b"".join(part(BYTES, len(data[at : at + MIB])) for at in range(0, len(data), MIB))

    at = 0
    while at == 0 or deflate.begins_member(blob, at):
        begin, body = at, deflate.header_end(blob, at)
        content, end = deflate.inflate(blob, body, -15)
        at = end + 8
        require(blob[end:at] == deflate.sums(content), "a member with other sums than its content has")
        if not content:
            layout, rest = layout + kept(blob[begin:at]), rest + blob[begin:at]
            continue
        if blob[begin:body] != header:
            header = blob[begin:body]
            layout, rest = layout + part(HEADER, len(header)), rest + header
        is_plain = encoder.endswith(FLUSHED) and not blob[body:end].endswith(ENDS)
        layout += part(UNFLUSHED if is_plain else MEMBER, len(content))
    return layout + kept(blob[at:]), rest + blob[at:]


def to_file(encoder: str, content: bytes, layout: bytes, rest: bytes) -> bytes:
    """The gzip file of this uncompressed data, layout and rest, whose members the encoder makes."""
    encoders.deflate(encoder, b"")  # unknown ones are, even if they make no member
    require(len(layout) % 9 == 0, "a part of a layout that is cut short")
    out = header = b""
    for kind, size in struct.iter_unpack("<BQ", layout):
        require(kind <= HEADER and size > 0, "a part of a layout that is none")
        require(size <= len(rest if kind in (BYTES, HEADER) else content), "a part of more bytes than there are")
        if kind in (BYTES, HEADER):
            require(kind == BYTES or size <= MIB, "a header over its limit")
            out, header = (out + rest[:size], header) if kind == BYTES else (out, rest[:size])
            rest = rest[size:]
            continue
        require(header, "a member without a header")
        require(kind == MEMBER or encoder.endswith(FLUSHED), "an encoder that flushes no member")
        name = encoder if kind == MEMBER else encoder.removesuffix(FLUSHED)
        out += header + encoders.deflate(name, content[:size]) + deflate.sums(content[:size])
        content = content[size:]
    require(not (content or rest), "uncompressed data or a rest that is left over")
    return out
