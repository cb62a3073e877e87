"""Names and fields of what surrounds packed streams, the same for both directions (spec/VIEWS.md, Codings)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from airpatch.deflate.decompressor import RAW as DEFLATE
from airpatch.deflate.decompressor import PiecewiseDecompressor, adler32, crc32, decompressor
from airpatch.encoders.libbrotli import BrotliDecompressor
from airpatch.encoders.zstd_stream import ZstdStreamDecompressor
from airpatch.errors import FormatError

RAW = "raw"
"""A deflate stream (RFC 1951)."""
GZIP = "gzip"
"""A deflate stream, then CRC-32 and size of what it holds (RFC 1952 2.3.1)."""
ZLIB = "zlib"
"""A deflate stream, then the Adler-32 of what it holds (RFC 1950 2.2)."""
ENTRY = "zip-entry"
"""A local file header that has checksum and sizes, and the deflate stream (APPNOTE 4.3.7)."""
STREAMED = "zip-streamed"
"""A local file header that has zeros there, the deflate stream, and a data descriptor (APPNOTE 4.3.9)."""
ARCHIVE = "zip-archive"
"""A zip archive: offsets in its directory count from where it begins, and the directory knows its entries."""
DIRECTORY = "zip-directory"
"""The entries of a central directory (APPNOTE 4.3.12), with fields that can be known left out."""
CHUNKS = "png-idat"
"""IDAT chunks of a PNG image, one after another and of one size but for the last (ISO/IEC 15948, 11.2.4)."""
BROTLI = "brotli"
"""A brotli stream (RFC 7932)."""
ZSTD = "zstd"
"""A zstd frame (RFC 8878)."""
CLASS = "java-class"
"""A class file of Java (JVMS 4.1), in which labels take the place of the numbers of constants."""
INDEX = "jimage-index"
"""The index of the JDK's `modules` file, as the list of resources that it is made from."""
PYC = "python-pyc"
"""A compiled file of Python, in which labels take the place of the numbers of objects."""
FRAMINGS = (RAW, GZIP, ZLIB, ENTRY, STREAMED, ARCHIVE, DIRECTORY, CHUNKS, BROTLI, ZSTD, CLASS, INDEX, PYC)
LARGE = (BROTLI, ZSTD)
"""Those whose streams take tens of MiB to make: none of them is in another."""

MAX_BUFFERED = 8 << 20
"""Bytes of a deflate stream whose header, which has checksum and sizes, can be written only after it."""
MAX_CHUNK = 8 << 20
"""Bytes of an IDAT chunk, whose size stands before it."""
CHUNK_HEADER = struct.Struct(">I4s")
IDAT = b"IDAT"
LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
LOCAL_FIELDS = slice(14, 26)
"""CRC-32, packed size, size, 4 bytes each, of a local file header."""
NO_FIELDS = bytes(12)
LOCAL_MAGIC = b"PK\x03\x04"
DESCRIPTOR_MAGIC = b"PK\x07\x08"
CENTRAL_HEADER = 46
CENTRAL_MAGIC = b"PK\x01\x02"
_FIELDS = struct.Struct("<III")
_GZIP_TRAILER = struct.Struct("<II")
_LENGTHS = struct.Struct("<HHH")
_U32 = 0xFFFFFFFF


def stream_decompressor(framing: str) -> PiecewiseDecompressor:
    """Return what decompresses a stream of that framing. Its method raises FormatError or `DecompressionError`."""
    if framing == ZSTD:
        return ZstdStreamDecompressor()
    return BrotliDecompressor() if framing == BROTLI else decompressor(DEFLATE)


class Checksums:
    """CRC-32 or Adler-32, whichever the framing demands, and the size of the bytes that pass through."""

    def __init__(self, framing: str) -> None:
        self._is_adler = framing == ZLIB
        self._is_needed = framing not in (RAW, *LARGE)
        self.value = 1 if self._is_adler else 0
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self._is_needed:
            self.value = adler32(data, self.value) if self._is_adler else crc32(data, self.value)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the framing of a stream adds: `fields` of the header before it, the `trailer` after it."""

    fields: bytes
    trailer: bytes

    @classmethod
    def of(cls, framing: str, sums: Checksums, packed: int) -> Surroundings:
        """Return the trailer of a stream of `packed` bytes whose content `sums` has seen."""
        match framing:
            case "gzip":
                return cls(NO_FIELDS, _GZIP_TRAILER.pack(sums.value, sums.size & _U32))
            case "zlib":
                return cls(NO_FIELDS, sums.value.to_bytes(4, "big"))
            case "zip-entry":
                return cls(entry_fields(sums, packed), b"")
            case "zip-streamed":
                return cls(NO_FIELDS, DESCRIPTOR_MAGIC + entry_fields(sums, packed))
        return cls(NO_FIELDS, b"")


def trailer_size(framing: str) -> int:
    """Return how many bytes follow a stream."""
    return len(Surroundings.of(framing, Checksums(framing), 0).trailer)


def entry_fields(sums: Checksums, packed: int) -> bytes:
    """Return CRC-32 and sizes as in zip headers."""
    return _FIELDS.pack(sums.value, packed & _U32, sums.size & _U32)


class Directory:
    """A central directory, in which the offset of an entry is stated relative to the end of the entry before it, and
    fields of known entries by their difference.

    `entries` are the fields by the offset of each entry. `forward` makes the view, otherwise the view is undone. Takes
    pieces of any size, and returns as many bytes, those of an entry's fixed part once it is complete.
    """

    def __init__(self, entries: dict[int, bytes], forward: bool) -> None:
        self._entries = entries
        self._forward = forward
        self._expected = 0  # where the next entry would begin if there were only headers without extra fields
        self._head = bytearray()
        self._tail = 0  # bytes of names that follow the fixed part, still to come

    def feed(self, data: bytes) -> bytes:
        """Raises FormatError if it is not a central directory."""
        out = bytearray()
        at = 0
        while at < len(data):
            if self._tail:
                part = data[at : at + self._tail]
                out += part
                self._tail -= len(part)
                at += len(part)
                continue
            part = data[at : at + CENTRAL_HEADER - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == CENTRAL_HEADER:
                out += self._convert()
        return bytes(out)

    def finish(self) -> None:
        """Raises FormatError within an entry."""
        if self._head or self._tail:
            raise FormatError("the zip directory ends within an entry")

    def _convert(self) -> bytes:
        head = self._head
        if not head.startswith(CENTRAL_MAGIC):
            raise FormatError("the zip directory holds something other than entries")
        sign = 1 if self._forward else -1
        given = int.from_bytes(head[42:46], "little")
        offset = given if self._forward else (given + self._expected) & _U32
        head[42:46] = ((given - sign * self._expected) & _U32).to_bytes(4, "little")
        entry = self._entries.get(offset)
        fields = bytes(head[16:28])
        if entry is not None:
            difference = int.from_bytes(fields, "little") ^ int.from_bytes(entry, "little")
            head[16:28] = difference.to_bytes(12, "little")
        packed = int.from_bytes(fields[4:8] if self._forward or entry is None else head[20:24], "little")
        name, extra, comment = _LENGTHS.unpack_from(head, 28)
        self._expected = (offset + 30 + name + packed) & _U32
        self._tail = name + extra + comment
        self._head = bytearray()
        return bytes(head)
