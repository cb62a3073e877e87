"""The framings of VIEWS.md: how a level is packed into the one around it, read and made."""

import zlib
from dataclasses import dataclass, field

from . import class_files, encoders, jimage_index, pyc_files, zstd
from .cursor import Cursor
from .errors import Unsupported, refusing, require

END, REST, SKIP = 0, 1, 2
MAX_BUFFERED = MAX_CHUNK = 8388608
MAX_STREAM = 1 << 30  # bytes that this reader holds of what a stream holds
PASSING = ("zip-archive", "zip-directory")  # these have the bytes of the level around
FORMS = {  # of what is as large as its view, or about: how it is converted, and its limit in bytes
    "java-class": (class_files.convert, class_files.MAX_CLASS),
    "jimage-index": (jimage_index.convert, jimage_index.MAX_INDEX),
    "python-pyc": (pyc_files.convert, pyc_files.MAX_PYC),
}
NOT_ENCODED = (*PASSING, "png-idat", *FORMS)


@dataclass
class Level:
    """Bytes that are read one after another: its own, or those of the level around."""

    framing: str
    own: Cursor
    around: "Level | None" = None
    at: int = 0
    entries: dict[int, bytes] = field(default_factory=dict)  # fields of the zip entries within, by where they began
    expected: int = 0  # offset of the next entry of a directory

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return self.around.left if self.around else self.own.left

    @property
    def may_end(self) -> bool:
        """Whether the level is complete, or does not say where it ends."""
        return self.framing in (*PASSING, "base") or not self.left

    def peek(self, count: int) -> bytes:
        """Up to so many bytes as they are packed, which are not read by this."""
        return self.around.peek(count) if self.around else self.own.data[self.own.at : self.own.at + count]

    def take(self, count: int) -> bytes:
        """So many bytes."""
        part = self.around.take(count) if self.around else self.own.take(count)
        self.at += count
        if self.around and self.framing == "zip-directory":
            part, self.expected = directory(part, self.around.entries, self.expected, False)
        return part


def _fields(content: bytes, packed: int) -> bytes:
    """CRC-32, packed size and size of what a stream holds."""
    return b"".join((one & 0xFFFFFFFF).to_bytes(4, "little") for one in (zlib.crc32(content), packed, len(content)))


def _trailer(framing: str, content: bytes, fields: bytes) -> bytes:
    """What follows a stream."""
    return {
        **{"raw": b"", "gzip": fields[:4] + fields[8:], "zlib": zlib.adler32(content).to_bytes(4, "big")},
        **{"zip-entry": b"", "zip-streamed": b"PK\x07\x08" + fields},
    }[framing]


def _number(data: bytes, at: int, width: int = 2) -> int:
    return int.from_bytes(data[at : at + width], "little")


def begin(framing: str, around: Level) -> Level:
    """The level that begins here; of a stream all is inflated at once, and what follows it is compared."""
    if framing in PASSING:
        return Level(framing, Cursor(b""), around)
    if framing == "png-idat":
        return Level(framing, Cursor(_from_chunks(around)))
    if framing in FORMS:
        convert, limit = FORMS[framing]
        view, size = convert(around.peek(limit), False)
        around.take(size)
        return Level(framing, Cursor(view))
    if framing == "zstd":
        return Level(framing, Cursor(_from_frame(around)))
    head, place = b"", around.at
    if framing in ("zip-entry", "zip-streamed"):
        head = around.take(30)
        require(head[:4] == b"PK\x03\x04", "no local file header")
        head += around.take(_number(head, 26) + _number(head, 28))
    before = around.at
    content = _inflate(around)
    fields = _fields(content, around.at - before)
    trailer = _trailer(framing, content, fields)
    require(around.take(len(trailer)) == trailer, "a view that does not fit the bytes: other sums")
    if head:
        require(head[14:26] == (fields if framing == "zip-entry" else bytes(12)), "other fields in a zip header")
        around.entries[place] = fields
    return Level(framing, Cursor(head[:14] + head[26:] + content))


def _inflate(around: Level) -> bytes:
    unpacker = zlib.decompressobj(-15)
    out = bytearray()
    while not unpacker.eof:
        packed = around.peek(65536)
        require(packed, "a stream that is cut short")
        with refusing(zlib.error, "a view that does not fit the bytes"):
            out += unpacker.decompress(packed)
        if len(out) > MAX_STREAM:
            raise Unsupported("a stream of more than 1 GiB")
        around.take(len(packed) - len(unpacker.unused_data))
    return bytes(out)


def _from_frame(around: Level) -> bytes:
    """What a zstd frame holds, whose blocks are no larger than its window, or than 128 KiB."""
    packed = around.peek(around.left)
    require(packed.startswith(zstd.MAGIC), "no zstd frame")
    frame = zstd.frame_at(packed, 0)
    require(packed[4] & 0b1011 == 0 and frame.header.window_size <= zstd.MAX_WINDOW, "a frame that no view has")
    most = min(frame.header.window_size, 131072)
    heads = [_number(packed, at, 3) for at in frame.ends[:-1]]
    require(all(head >> 3 <= most for head in heads), "a block that is too large")
    content = zstd.unpack(packed, frame, MAX_STREAM, zstd.MAX_WINDOW)
    around.take(frame.end)
    return content


def _from_chunks(around: Level) -> bytes:
    """What IDAT chunks hold, after the size of the first one."""
    size = last = 0
    out = bytearray()
    while not last:
        head = around.peek(8)
        length = int.from_bytes(head[:4], "big")
        if head[4:] != b"IDAT" or not 1 <= length <= (size or MAX_CHUNK):
            break
        chunk = around.take(length + 12)
        require(zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:], "a chunk with another CRC")
        size = size or length
        last = length < size
        out += chunk[8:-4]
    require(size, "no IDAT chunk, or one over its limit")
    return size.to_bytes(4, "big") + out


def directory(part: bytes, entries: dict[int, bytes], expected: int, folding: bool) -> tuple[bytes, int]:
    """Entries of a central directory without what is known of them, or with it again; the next offset expected."""
    out, at = bytearray(), 0
    while at < len(part):
        head = part[at : at + 46]
        require(len(head) == 46 and head[:4] == b"PK\x01\x02", "no entry of a central directory")
        end = at + 46 + sum(_number(head, place) for place in (28, 30, 32))
        require(end <= len(part), "a directory that does not end with a whole entry")
        said = _number(head, 42, 4)
        other = (said + expected if folding else said - expected) & 0xFFFFFFFF
        offset = other if folding else said
        fields = bytes(one ^ two for one, two in zip(head[16:28], entries.get(offset, bytes(12)), strict=True))
        packed = _number(fields if folding else head[16:28], 4, 4)
        expected = offset + 30 + _number(head, 28) + packed & 0xFFFFFFFF
        out += head[:16] + fields + head[28:42] + other.to_bytes(4, "little") + part[at + 46 : end]
        at = end
    return bytes(out), expected


def fold_level(framing: str, encoder: str, content: bytes, place: int, entries: dict[int, bytes]) -> bytes:
    """What a level is packed into at this place of the level around, in which entries have these fields."""
    if framing == "zip-archive":
        return content
    if framing == "zip-directory":
        return directory(content, entries, 0, True)[0]
    if framing == "png-idat":
        size = int.from_bytes(content[:4], "big")
        require(len(content) >= 4 and 1 <= size <= MAX_CHUNK, "chunks without a size")
        bodies = [b"IDAT" + content[at : at + size] for at in range(4, len(content), size)]
        sizes = [(len(body) - 4).to_bytes(4, "big") for body in bodies]
        return b"".join(n + one + zlib.crc32(one).to_bytes(4, "big") for n, one in zip(sizes, bodies, strict=True))
    if framing in FORMS:
        convert, limit = FORMS[framing]
        made, size = convert(content, True)
        require(size == len(content) <= limit, "a class file, an index or a compiled file of another size")
        return made
    if framing == "zstd":
        return encoders.zstd_stream(encoder, content)
    head = b""
    if framing in ("zip-entry", "zip-streamed"):
        end = 18 + _number(content, 14) + _number(content, 16)
        require(end <= len(content), "a local file header that is cut short")
        head, content = content[:end], content[end:]
    packed = encoders.deflate(encoder, content)
    fields = _fields(content, len(packed))
    if head:
        entries[place] = fields
        require(framing != "zip-entry" or len(packed) <= MAX_BUFFERED, "a stream of a zip entry over its limit")
        head = head[:14] + (fields if framing == "zip-entry" else bytes(12)) + head[14:]
    return head + packed + _trailer(framing, content, fields)
