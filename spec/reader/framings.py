"""The framings of VIEWS.md: how a level is packed into the one around it, read and made."""

import zlib

from . import encoders, zstd
from .cursor import Cursor
from .deflate import inflate
from .errors import Unsupported, extension, require

MAX_BUFFERED = 8388608
MAX_STREAM = 1 << 30  # bytes that this reader holds of what a stream holds
PASSING = ("zip-archive", "zip-directory")  # these have the bytes of the level around
ZIP = ("zip-entry", "zip-streamed")
CONVERTED = {  # by an extension, and up to so many bytes
    "png-idat": ("png_chunks", MAX_STREAM),
    "java-class": ("class_files", 4194304),
    "jimage-index": ("jimage_index", 16777216),
    "python-pyc": ("pyc_files", 4194304),
}
NOT_ENCODED = (*PASSING, *CONVERTED)
FRAMINGS = ("raw", "gzip", "zlib", *ZIP, "zstd", *NOT_ENCODED)


def _number(data: bytes, at: int, width: int = 2) -> int:
    return int.from_bytes(data[at : at + width], "little")


def _packed(framing: str, head: bytes, content: bytes, stream: bytes) -> bytes:
    """A stream between the zip header in whose view this is, and what follows it."""
    sums = (zlib.crc32(content), len(stream) & 0xFFFFFFFF, len(content) & 0xFFFFFFFF)
    fields, behind = b"".join(one.to_bytes(4, "little") for one in sums), b""
    if framing in ZIP:
        head = head[:14] + (fields if framing == "zip-entry" else bytes(12)) + head[14:]
    if framing == "zip-streamed":
        behind = b"PK\x07\x08" + fields
    elif framing == "gzip":
        behind = fields[:4] + fields[8:]
    elif framing == "zlib":
        behind = zlib.adler32(content).to_bytes(4, "big")
    return head + stream + behind


def zip_fields(framing: str, packed: bytes) -> bytes:
    """The fields of a zip entry."""
    return packed[14:26] if framing == "zip-entry" else packed[-12:]


def expand_level(framing: str, around: Cursor) -> bytes:
    """The content of a level that begins here."""
    begin, data, head = around.at, around.data, b""
    if framing == "zstd":
        return _from_frame(around)
    if framing in CONVERTED:
        module, limit = CONVERTED[framing]
        converted: tuple[bytes, int] = extension(module).convert(data[begin : begin + limit], False)
        around.take(converted[1])
        return converted[0]
    if framing in ZIP:
        require(data.startswith(b"PK\x03\x04", begin), "no local file header")
        head = data[begin : begin + 30 + _number(data, begin + 26) + _number(data, begin + 28)]
    content, end = inflate(data, begin + len(head), -15, MAX_STREAM)
    if len(content) > MAX_STREAM:
        raise Unsupported("a stream of more than 1 GiB")
    seen = head[:14] + head[26:]
    packed = _packed(framing, seen, content, data[begin + len(head) : end])
    require(around.take(len(packed)) == packed, "a view that does not fit the bytes: other fields, or sums")
    return seen + content


def _from_frame(around: Cursor) -> bytes:
    """What a zstd frame holds, whose blocks are no larger than its window, or than 128 KiB."""
    data, begin = around.data, around.at
    require(data.startswith(zstd.MAGIC, begin), "no zstd frame")
    frame = zstd.frame_at(data, begin)
    window = frame.header.window_size
    require(data[begin + 4] & 0b1011 == 0 and window <= zstd.MAX_WINDOW, "a frame that no view has")
    sizes = [_number(data, at, 3) >> 3 for at in frame.ends[:-1]]
    require(max(sizes) <= min(window, 131072), "a block that is too large")
    around.take(frame.end - begin)
    return zstd.unpack(data, frame, MAX_STREAM, zstd.MAX_WINDOW)


def fold_level(framing: str, encoder: str, content: bytes, entries: dict[int, bytes]) -> bytes:
    """What a level is packed into; `entries` has the fields of the zip entries in the level around."""
    if framing == "zip-archive":
        return content
    if framing == "zip-directory":
        return directory(content, entries, 0, True)[0]
    if framing == "zstd":
        return encoders.zstd_frame(encoder, [content])
    if framing in CONVERTED:
        module, limit = CONVERTED[framing]
        converted: tuple[bytes, int] = extension(module).convert(content, True)
        require(converted[1] == len(content) <= limit, "a view of other bytes than its file, or over its limit")
        return converted[0]
    end = 18 + _number(content, 14) + _number(content, 16) if framing in ZIP else 0
    require(end <= len(content), "a local file header that is cut short")
    head, content = content[:end], content[end:]
    stream = encoders.deflate(encoder, content)
    require(framing != "zip-entry" or len(stream) <= MAX_BUFFERED, "a stream of a zip entry over its limit")
    return _packed(framing, head, content, stream)


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
