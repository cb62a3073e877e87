"""The framings of VIEWS.md: how a level is packed into the one around it, read and made."""

import zlib

import brotli

from . import encoders
from .errors import FormatError, require

END, REST, SKIP = 0, 1, 2
MAX_BUFFERED = MAX_CHUNK = 8388608


def _fields(content_crc: int, packed: int, size: int) -> bytes:
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in (content_crc, packed, size))


class Level:
    """Bytes that are read one after another, out of those of the level around."""

    has_encoder = False

    def __init__(self, around: "Level") -> None:
        self.around = around
        self.held = b""
        self.position = 0
        self.entries: dict[int, bytes] = {}  # fields of the zip entries within, by where they began
        self.begin()

    def begin(self) -> None:
        """Read what comes before the level's bytes."""

    def more(self, count: int) -> bytes:
        """Up to `count` bytes that were not read before; none at the level's end."""
        return self.around.some(count)

    def end(self) -> None:
        """Check that the level is complete, and read what follows it (else FormatError)."""

    def some(self, count: int) -> bytes:
        """Up to `count` bytes, one at least unless the level is at its end or `count` is 0."""
        part = (self.held or self.more(count)) if count else b""
        if count:
            part, self.held = part[:count], part[count:]
        self.position += len(part)
        return part

    def unread(self, part: bytes) -> None:
        """Put back what was read too much."""
        self.held = part + self.held
        self.position -= len(part)

    def take(self, count: int) -> bytes:
        """So many bytes (FormatError if there are fewer)."""
        out = bytearray()
        while len(out) < count:
            part = self.some(count - len(out))
            require(part, "a view that does not fit the bytes: a level ends early")
            out += part
        return bytes(out)

    def skip(self, count: int) -> None:
        """Drop so many bytes (FormatError if there are fewer)."""
        while count:
            count -= len(self.take(min(count, 65536)))


class Base(Level):
    """The packed bytes themselves."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        super().__init__(self)

    def more(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


class Raw(Level):
    """A deflate stream."""

    has_encoder = True

    def begin(self) -> None:
        self.unpacker = zlib.decompressobj(-15)
        self.crc, self.adler, self.size, self.packed = 0, 1, 0, self.around.position

    def more(self, count: int) -> bytes:
        part = b""
        while not part and not self.unpacker.eof:
            packed = self.unpacker.unconsumed_tail or self.around.some(65536)
            try:
                part = self.unpacker.decompress(packed, count)
            except zlib.error as error:
                raise FormatError(f"a view that does not fit the bytes: {error}") from error
            require(part or packed or self.unpacker.eof, "a stream that is cut short")
            if self.unpacker.eof:
                self.around.unread(self.unpacker.unused_data)
        self.crc, self.adler, self.size = (
            zlib.crc32(part, self.crc),
            zlib.adler32(part, self.adler),
            self.size + len(part),
        )
        return part

    def end(self) -> None:
        require(not self.some(1), "a level that ends before its stream")
        self.packed = self.around.position - self.packed
        self.trailer()

    def trailer(self) -> None:
        """Check what follows the stream."""

    def expect(self, wanted: bytes) -> None:
        """Read bytes that must be these (else FormatError)."""
        require(self.around.take(len(wanted)) == wanted, "a view that does not fit the bytes: other sums")


class Gzip(Raw):
    """A deflate stream, then CRC-32 and size."""

    def trailer(self) -> None:
        self.expect(_fields(self.crc, 0, 0)[:4] + _fields(self.size, 0, 0)[:4])


class Zlib(Raw):
    """A deflate stream, then the Adler-32."""

    def trailer(self) -> None:
        self.expect(self.adler.to_bytes(4, "big"))


class Brotli(Level):
    """A brotli stream, read byte by byte, since nobody says where it ended."""

    has_encoder = True

    def begin(self) -> None:
        self.unpacker = brotli.Decompressor()

    def more(self, count: int) -> bytes:
        part = b""
        while not part and not self.unpacker.is_finished():
            packed = self.around.some(1)
            require(packed, "a stream that is cut short")
            try:
                part = self.unpacker.process(packed)
            except brotli.error as error:
                raise FormatError(f"a view that does not fit the bytes: {error}") from error
        return part

    def end(self) -> None:
        require(not self.some(1), "a level that ends before its stream")


class ZipEntry(Raw):
    """A local file header, and a deflate stream whose sums are in the header."""

    def begin(self) -> None:
        self.place = self.around.position
        head = self.around.take(30)
        require(head[:4] == b"PK\x03\x04", "no local file header")
        names = self.around.take(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"))
        self.fields = head[14:26]
        super().begin()
        self.held = head[:14] + head[26:] + names

    def trailer(self) -> None:
        require(self.packed <= MAX_BUFFERED, "a stream of a zip entry over its limit")
        self.expect_fields(_fields(self.crc, self.packed, self.size))

    def expect_fields(self, fields: bytes) -> None:
        """Compare the fields (else FormatError)."""
        require(self.fields == fields, "a view that does not fit the bytes: other fields")
        self.around.entries[self.place] = fields


class ZipStreamed(ZipEntry):
    """A local file header without fields, a deflate stream, and a data descriptor."""

    def trailer(self) -> None:
        require(self.fields == bytes(12), "fields in a header that has none")
        self.fields = self.around.take(16)
        require(self.fields[:4] == b"PK\x07\x08", "no data descriptor")
        self.fields = self.fields[4:]
        self.expect_fields(_fields(self.crc, self.packed, self.size))


class ZipArchive(Level):
    """The same bytes, from which offsets count."""

    def end(self) -> None:
        self.around.unread(self.held)


class ZipDirectory(Level):
    """Entries of a central directory, without what is known of them."""

    def begin(self) -> None:
        self.expected = 0

    def more(self, count: int) -> bytes:
        head = self.around.take(46)
        require(head[:4] == b"PK\x01\x02", "no entry of a central directory")
        whole, self.expected = _entry(self.around.entries, head, self.expected, False)
        return whole + self.around.take(_names(head))

    def take(self, count: int) -> bytes:
        entries = super().take(count)
        require(not self.held, "a record that does not end with a whole entry")
        return entries

    def skip(self, count: int) -> None:
        self.take(count)


def _names(head: bytes) -> int:
    return sum(int.from_bytes(head[at : at + 2], "little") for at in (28, 30, 32))


def _entry(entries: dict[int, bytes], head: bytes, expected: int, folding: bool) -> tuple[bytes, int]:
    """An entry's first 46 bytes the other way round, and the offset that is expected of the next one."""
    offset = int.from_bytes(head[42:46], "little")
    other = (offset + expected if folding else offset - expected) & 0xFFFFFFFF
    offset = other if folding else offset
    known = entries.get(offset, bytes(12))
    fields = bytes(one ^ two for one, two in zip(head[16:28], known, strict=True))
    packed = int.from_bytes((fields if folding else head[16:28])[4:8], "little")
    following = offset + 30 + int.from_bytes(head[28:30], "little") + packed & 0xFFFFFFFF
    return head[:16] + fields + head[28:42] + other.to_bytes(4, "little"), following


class PngIdat(Level):
    """IDAT chunks of one size."""

    def begin(self) -> None:
        self.size = int.from_bytes(self._head()[:4], "big")
        require(1 <= self.size <= MAX_CHUNK, "no IDAT chunk, or one over its limit")
        self.held, self.last = self.size.to_bytes(4, "big"), False

    def _head(self) -> bytes:
        """Length and type of the chunk that follows, put back; zeros if none does."""
        head = b""
        while len(head) < 8 and (part := self.around.some(8 - len(head))):
            head += part
        self.around.unread(head)
        return head if len(head) == 8 and head[4:] == b"IDAT" else bytes(8)

    def more(self, count: int) -> bytes:
        size = int.from_bytes(self._head()[:4], "big")
        if self.last or not 1 <= size <= self.size:
            return b""
        self.last = size < self.size
        chunk = self.around.take(size + 12)
        require(zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:], "a chunk with another CRC")
        return chunk[8:-4]

    def end(self) -> None:
        require(not self.some(1), "a level that ends before its chunks")


LEVELS: dict[str, type[Level]] = {
    "raw": Raw,
    "gzip": Gzip,
    "zlib": Zlib,
    "zip-entry": ZipEntry,
    "zip-streamed": ZipStreamed,
    "zip-archive": ZipArchive,
    "zip-directory": ZipDirectory,
    "png-idat": PngIdat,
    "brotli": Brotli,
}


class Fold:
    """A level of a reversible view that is being folded: its bytes, then those that it is packed into."""

    def __init__(self, framing: str, encoder: str, around: "Fold | None") -> None:
        self.framing, self.encoder, self.around = framing, encoder, around
        self.content = bytearray()
        self.entries: dict[int, bytes] = {}

    def close(self) -> None:
        """Add the packed bytes to the level around (FormatError, Unsupported)."""
        if self.around is not None:
            self.around.content += self._packed(bytes(self.content), self.around)

    def _packed(self, content: bytes, around: "Fold") -> bytes:
        if self.framing.startswith("zip-a"):
            return content
        if self.framing == "zip-directory":
            return self._directory(content, around)
        if self.framing == "png-idat":
            size = int.from_bytes(content[:4], "big")
            require(len(content) >= 4 and 1 <= size <= MAX_CHUNK, "chunks without a size")
            return b"".join(_chunk(content[at : at + size]) for at in range(4, len(content), size))
        if self.framing == "brotli":
            return encoders.brotli_stream(self.encoder, content)
        head = b""
        if self.framing.startswith("zip-"):
            end = 18 + int.from_bytes(content[14:16], "little") + int.from_bytes(content[16:18], "little")
            require(end <= len(content), "a local file header that is cut short")
            head, content = content[:end], content[end:]
        packed = encoders.packed(self.encoder, content)
        if self.framing == "gzip":
            return packed + _fields(zlib.crc32(content), 0, 0)[:4] + _fields(len(content), 0, 0)[:4]
        if self.framing == "zlib":
            return packed + zlib.adler32(content).to_bytes(4, "big")
        if self.framing == "raw":
            return packed
        fields = around.entries[len(around.content)] = _fields(zlib.crc32(content), len(packed), len(content))
        if self.framing == "zip-streamed":
            return head[:14] + bytes(12) + head[14:] + packed + b"PK\x07\x08" + fields
        require(len(packed) <= MAX_BUFFERED, "a stream of a zip entry over its limit")
        return head[:14] + fields + head[14:] + packed

    def _directory(self, content: bytes, around: "Fold") -> bytes:
        out, at, expected = b"", 0, 0
        while at < len(content):
            head = content[at : at + 46]
            require(len(head) == 46 and head[:4] == b"PK\x01\x02", "no entry of a central directory")
            end = at + 46 + _names(head)
            require(end <= len(content), "a directory that does not end with a whole entry")
            whole, expected = _entry(around.entries, head, expected, True)
            out += whole + content[at + 46 : end]
            at = end
        return out


def _chunk(content: bytes) -> bytes:
    body = b"IDAT" + content
    return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
