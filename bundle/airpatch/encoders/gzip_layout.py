"""The layout of a gzip file of several members: which encoder made which of them (spec/ENCODERS.md, Members).

A file with a member for each file of a layer, as eStargz is, is a list of parts. The streams of members are made of
uncompressed data by an encoder; everything else comes out of another stream of bytes, the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import IntEnum

from airpatch.deflate.decompressor import crc32
from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.encoders.flushed import FLUSHED
from airpatch.encoders.layout_streams import Read, exactly, take
from airpatch.encoders.replicas import deflater, replica
from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.errors import FormatError

PART_SIZE = 9
"""Bytes of a part."""
_PART = 1 << 15
"""Steps in the time that a part takes, even an empty one."""


class MemberKind(IntEnum):
    """What a part is; its size is in bytes."""

    MEMBER = 0  # a member that the encoder made; size of its content
    UNFLUSHED = 1  # one that it made without the flush that it is named after; size of its content
    BYTES = 2  # bytes of the rest; size of them
    HEADER = 3  # bytes of the rest: the header of all members from here on; size of it


@dataclass(frozen=True, slots=True)
class MemberPart:
    """A part of a gzip file."""

    kind: MemberKind
    size: int


def emit_part(part: MemberPart) -> bytes:
    """Return the bytes of a part: its kind, its size."""
    return bytes((part.kind,)) + part.size.to_bytes(8, "little")


def _parse_part(data: bytes) -> MemberPart:
    size = int.from_bytes(data[1:], "little")
    if len(data) == PART_SIZE and data[0] in list(MemberKind) and size:
        return MemberPart(MemberKind(data[0]), size)
    raise FormatError("a layout with something else where a part belongs")


def build(
    encoder: str,
    layout: Read,
    content: Read,
    rest: Read,
    pool: Executor | None = None,
    search: Spend = UNBOUNDED.search,
) -> Iterator[bytes]:
    """Yield the file with that layout, whose members the `encoder` makes, in `pool` if it can.

    `search` receives the steps that this takes. Raises FormatError if the encoder is unknown, the layout malformed, or
    a stream ends too early.
    """
    replica(encoder)  # which may make no member
    header = b""
    while data := exactly(layout, PART_SIZE, may_end=True):
        part = _parse_part(data)
        search(_PART)
        if part.kind is MemberKind.BYTES:
            yield from take(rest, part.size)
        elif part.kind is MemberKind.HEADER:
            if part.size > HEADER_LIMIT:
                raise FormatError(f"a layout with a gzip header of more than {HEADER_LIMIT} bytes")
            header = exactly(rest, part.size)
        else:
            if not header:
                raise FormatError("a layout with a member before any header")
            yield header
            yield from _member(_encoder(encoder, part.kind), part.size, content, pool, search)


def _encoder(name: str, kind: MemberKind) -> str:
    if kind is MemberKind.UNFLUSHED and not name.endswith(FLUSHED):
        raise FormatError(f"a layout with a member that was not flushed, by the encoder {name!r}, which flushes none")
    return name.removesuffix(FLUSHED) if kind is MemberKind.UNFLUSHED else name


def _member(encoder: str, size: int, content: Read, pool: Executor | None, search: Spend) -> Iterator[bytes]:
    """Yield a member of `size` bytes behind its header."""
    writer = deflater(encoder, pool, search=search)
    crc = 0
    for piece in take(content, size):
        crc = crc32(piece, crc)
        yield writer.feed(piece)
    yield writer.finish()
    yield crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
