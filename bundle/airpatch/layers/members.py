"""Takes a gzip blob of several members apart into its layout and what stands beside their streams (spec/ENCODERS.md,
Members), and finds their encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from airpatch.blobs.content import PIECE, BlobReader, BytesBlob
from airpatch.deflate.decompressor import RAW, DecompressionError, crc32, decompressor
from airpatch.deflate.gzip import FIXED_HEADER, header_size, may_begin_member
from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.encoders.flushed import FILE_END, FLUSHED, file_ends_flushed
from airpatch.encoders.gzip_layout import MemberKind, MemberPart
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import flushed_name
from airpatch.errors import FormatError
from airpatch.layers.blob_slices import BlobSlices

_TRAILER = 8
_USUAL_HEADER = 512
_INPUT = 16 << 10
"""Bytes of input at a time. What follows a member is copied, and there are blobs with one for each file."""
_MOST = 64 << 20
"""Bytes of content of the members that are looked at."""
_TELLING = 3
"""Members by which the encoder is recognised: the largest ones, since short ones are the same under many."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of a blob, which lies there from `begin` to `end`, with `size` bytes of content."""

    begin: int
    body: int
    end: int
    size: int
    flushed: bool


def split(reader: BlobReader, size: int, limit: int, encoder: str) -> Iterator[tuple[MemberPart, bytes]]:
    """Yield the parts of a gzip blob of `size` bytes, each with what it has of the rest, taken for one of `encoder`.

    Raises FormatError if it is not a gzip file, or has more than `limit` uncompressed bytes.
    """
    blob = BlobSlices(reader, size)
    header, end = b"", 0
    for member in _members(blob, limit):
        if not member.size:
            yield from _bytes(blob, member.begin, member.end)
        else:
            own = blob[member.begin : member.body]
            if own != header:
                header = own
                yield MemberPart(MemberKind.HEADER, len(header)), header
            is_plain = encoder.endswith(FLUSHED) and not member.flushed
            yield MemberPart(MemberKind.UNFLUSHED if is_plain else MemberKind.MEMBER, member.size), b""
        end = member.end
    if not end:
        raise FormatError("a layer that begins with no gzip member")
    yield from _bytes(blob, end, size)


def encoders_of_members(start: bytes) -> Sequence[str] | None:
    """Return the names of the encoders that may have written the members of a blob which begins with `start`, the
    likeliest first. None if no second member is seen to begin there.
    """
    blob = BlobSlices(BytesBlob(start), len(start))
    found: list[_Member] = []
    with suppress(FormatError):  # the last one is cut
        found.extend(_members(blob, _MOST))
    if not found or not may_begin_member(blob[found[0].end : found[0].end + FIXED_HEADER]):
        return None
    names: Sequence[str] | None = None
    for member in sorted(found, key=lambda each: each.begin - each.end)[:_TELLING]:
        seen = recognise(start[member.begin : member.end], names)
        names = [name.removesuffix(FLUSHED) for name in seen]
    names = names or []
    if any(member.flushed for member in found):
        return [flushed_name(name) or name for name in names]  # pgzip ends all streams so
    return names


def _members(blob: BlobSlices, limit: int) -> Iterator[_Member]:
    """Yield the members of a blob up to where none begins. Raises FormatError if one is damaged or cut short."""
    at = 0
    while may_begin_member(start := blob[at : at + FIXED_HEADER]) and len(start) == FIXED_HEADER:
        member = _member(blob, at, limit)
        limit -= member.size
        yield member
        at = member.end


def _member(blob: BlobSlices, begin: int, limit: int) -> _Member:
    length = _header_size(blob, begin)
    inflater = decompressor(RAW)
    crc = size = 0
    at = begin + length
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail
            if not data:
                data = blob[at : at + _INPUT]
                at += len(data)
                if not data:
                    raise FormatError("a gzip layer that is cut short")
            piece = inflater.decompress(data, PIECE)
            crc = crc32(piece, crc)
            size += len(piece)
            if size > limit:
                raise FormatError("a gzip layer with more uncompressed bytes than it may have")
    except DecompressionError:
        raise FormatError("a gzip layer that does not decompress") from None
    end = at - len(inflater.unused_data) + _TRAILER
    told = crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    if blob[end - _TRAILER : end] != told:
        raise FormatError("a gzip layer that does not decompress")
    body = begin + length
    return _Member(begin, body, end, size, file_ends_flushed(blob[max(body, end - FILE_END) : end]))


def _header_size(blob: BlobSlices, begin: int) -> int:
    """Return how many bytes the header has of the member there. No more than some times as many are read."""
    looked_at = _USUAL_HEADER
    while (length := header_size(start := blob[begin : begin + looked_at])) is None:
        if len(start) < looked_at or looked_at >= HEADER_LIMIT:
            raise FormatError("a gzip layer that is cut short")
        looked_at = min(8 * looked_at, HEADER_LIMIT)
    return length


def _bytes(blob: BlobSlices, begin: int, end: int) -> Iterator[tuple[MemberPart, bytes]]:
    for at in range(begin, end, PIECE):
        data = blob[at : min(at + PIECE, end)]
        yield MemberPart(MemberKind.BYTES, len(data)), data
