"""Makes packed bytes from their view: the inverse of `expand` (spec/VIEWS.md, Folding).

Pieces come in and go out as they are made; memory stays within two MiB per level, `MAX_BUFFERED` for zip entries, and
220 MiB for a brotli or a zstd stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from airpatch.deflate.decompressor import crc32
from airpatch.encoders.replicas import Deflater
from airpatch.encoders.spending import UNBOUNDED, Meter
from airpatch.errors import FormatError
from airpatch.piece_reader import PieceReader
from airpatch.views import framings
from airpatch.views.conversions import CONVERSIONS, Conversion
from airpatch.views.description import FIRST_CODING, Coding, View
from airpatch.views.framings import Checksums, Directory, Surroundings, entry_fields
from airpatch.views.stream_encoders import stream_encoder

_PIECE = 1 << 20
_CHUNK_SIZE = 4
"""Size in bytes of the number before IDAT chunks."""


class Packer(Protocol):
    """Packs a level."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the level; return packed bytes, possibly none."""
        ...

    def finish(self) -> bytes:
        """Return the last packed bytes."""
        ...


class PackedLevel:
    """The position within a level, what it has taken, and the zip entries in it."""

    def __init__(self, packer: Packer | None) -> None:
        self.packer = packer
        self.position = 0
        self.entries: dict[int, bytes] = {}


def fold(view_bytes: Iterable[bytes], view: View, meter: Meter = UNBOUNDED) -> Iterator[bytes]:
    """Yield what `view`, which must be reversible, was made of; `view_bytes` are those of the view, in pieces.

    `meter` receives the work of encoders.

    Raises FormatError if they do not fit, or a coding is unknown.
    """
    if not view.is_reversible:
        raise FormatError("the view leaves something out where it must be complete")
    pieces = PieceReader(view_bytes)
    levels = [PackedLevel(None)]
    for length, action in view.records():
        while length:
            piece = pieces.read(min(length, _PIECE))
            if not piece:
                raise FormatError("the view is of more bytes than there are")
            length -= len(piece)
            if out := _put(levels, len(levels), piece):
                yield out
        if action >= FIRST_CODING:
            levels.append(PackedLevel(make_packer(view.codings[action - FIRST_CODING], levels[-1], meter)))
        elif (packer := levels.pop().packer) is not None and (out := _put(levels, len(levels), packer.finish())):
            yield out
    if not pieces.at_end():
        raise FormatError("the view is of fewer bytes than there are")


def _put(levels: list[PackedLevel], depth: int, data: bytes) -> bytes:
    """Pass `data` to the uppermost of `depth` levels; return what comes out at the base."""
    while data:
        depth -= 1
        level = levels[depth]
        level.position += len(data)
        if level.packer is None:
            break
        data = level.packer.feed(data)
    return data


def make_packer(coding: Coding, parent: PackedLevel, meter: Meter = UNBOUNDED) -> Packer:
    """Return the packer of that coding that begins where `parent` is. Raises FormatError for an unknown one."""
    framing = coding.framing
    if framing in (framings.ENTRY, framings.STREAMED):
        return _ZipEntry(stream_encoder(coding, meter), framing, parent)
    if framing in (framings.RAW, framings.GZIP, framings.ZLIB, *framings.LARGE):
        return _Stream(stream_encoder(coding, meter), framing)
    if framing not in framings.FRAMINGS:
        raise FormatError(f"unknown framing {framing!r:.40} in a view")
    if coding.encoder:
        raise FormatError(f"the view names an encoder for {framing}, which takes none")
    if framing == framings.CHUNKS:
        return _Chunks()
    if framing in CONVERSIONS:
        return _OtherForm(CONVERSIONS[framing])
    return _Archive() if framing == framings.ARCHIVE else _CentralDirectory(parent)


class _Stream:
    """A packed stream and what follows it."""

    def __init__(self, encoder: Deflater, framing: str) -> None:
        self._deflater = encoder
        self._framing = framing
        self._sums = Checksums(framing)

    def feed(self, data: bytes) -> bytes:
        self._sums.add(data)
        return self._deflater.feed(data)

    def finish(self) -> bytes:
        return self._deflater.finish() + Surroundings.of(self._framing, self._sums, 0).trailer


class _ZipEntry:
    """A local file header, whose fields are filled in, and the deflate stream; or with a descriptor after it."""

    def __init__(self, encoder: Deflater, framing: str, parent: PackedLevel) -> None:
        self._deflater = encoder
        self._framing = framing
        self._is_streamed = framing == framings.STREAMED
        self._parent = parent
        self._start = parent.position
        self._sums = Checksums(framing)
        self._head = bytearray()  # without the fields
        self._wanted = framings.LOCAL_HEADER.size - len(framings.NO_FIELDS)
        self._has_header = False
        self._packed = 0
        self._out = bytearray()  # what waits for the fields

    def feed(self, data: bytes) -> bytes:
        out = b""
        while data and not self._has_header:
            part = data[: self._wanted - len(self._head)]
            self._head += part
            data = data[len(part) :]
            out = self._begin() if len(self._head) == self._wanted else b""
        if not data:
            return out
        self._sums.add(data)
        return out + self._pass(self._deflater.feed(data))

    def _begin(self) -> bytes:
        """Begin once the header is complete, and return what can be written of it; else note its size."""
        head = bytes(self._head)
        name, extra = (int.from_bytes(head[i : i + 2], "little") for i in (14, 16))
        size = framings.LOCAL_HEADER.size - len(framings.NO_FIELDS) + name + extra
        if len(head) < size:
            self._wanted = size
            return b""
        self._has_header = True
        return self._header(framings.NO_FIELDS) if self._is_streamed else b""

    def _header(self, fields: bytes) -> bytes:
        at = framings.LOCAL_FIELDS.start
        return bytes(self._head[:at]) + fields + bytes(self._head[at:])

    def _pass(self, out: bytes) -> bytes:
        self._packed += len(out)
        if self._is_streamed:
            return out
        self._out += out
        if len(self._out) > framings.MAX_BUFFERED:
            raise FormatError(f"the view has a zip entry that packs to more than {framings.MAX_BUFFERED} bytes")
        return b""

    def finish(self) -> bytes:
        if not self._has_header:
            raise FormatError("the view has a zip entry that ends within its header")
        out = self._pass(self._deflater.finish())
        self._parent.entries[self._start] = entry_fields(self._sums, self._packed)
        right = Surroundings.of(self._framing, self._sums, self._packed)
        return out + right.trailer if self._is_streamed else self._header(right.fields) + bytes(self._out)


class _Archive:
    """The same bytes."""

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Chunks:
    """IDAT chunks, after the size of all but the last."""

    def __init__(self) -> None:
        self._size = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._held += data
        if not self._size:
            if len(self._held) < _CHUNK_SIZE:
                return b""
            self._size = int.from_bytes(self._held[:_CHUNK_SIZE], "big")
            if not 0 < self._size <= framings.MAX_CHUNK:
                raise FormatError(
                    f"the view has IDAT chunks of {self._size} bytes; 1 to {framings.MAX_CHUNK} are allowed"
                )
            del self._held[:_CHUNK_SIZE]
        whole = len(self._held) // self._size * self._size
        out = b"".join(self._chunk(at) for at in range(0, whole, self._size))
        del self._held[:whole]
        return out

    def _chunk(self, at: int) -> bytes:
        data = bytes(self._held[at : at + self._size])
        crc = crc32(data, crc32(framings.IDAT))
        return framings.CHUNK_HEADER.pack(len(data), framings.IDAT) + data + crc.to_bytes(4, "big")

    def finish(self) -> bytes:
        if not self._size:
            raise FormatError("the view has IDAT chunks that end within their size")
        return self._chunk(0) if self._held else b""


class _OtherForm:
    """What is held as a whole."""

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._held += data
        limit = self._conversion.limit
        if len(self._held) > limit:
            raise FormatError(f"the view has a class file, an index or a .pyc file of more than {limit} bytes")
        return b""

    def finish(self) -> bytes:
        return self._conversion.packed(bytes(self._held))


class _CentralDirectory:
    """The entries of a central directory."""

    def __init__(self, parent: PackedLevel) -> None:
        self._directory = Directory(parent.entries, False)

    def feed(self, data: bytes) -> bytes:
        return self._directory.feed(data)

    def finish(self) -> bytes:
        self._directory.finish()
        return b""
