"""Zstandard frames (RFC 8878): where they end, what their headers say, and what they hold.

Types and sizes of blocks, windows, dictionaries, checksums and sizes of content are checked by libzstd.
"""

from typing import Any, NamedTuple

import zstandard

from .errors import refusing, require

MAGIC = bytes.fromhex("28b52ffd")
MAX_WINDOW, MAX_FOREIGN_WINDOW = 8388608, 134217728  # bytes; the latter is that of layers


class Frame(NamedTuple):
    """A frame from `begin` to `end`, and the ends of its header and of its blocks; a skippable one has none."""

    begin: int
    end: int
    ends: list[int]
    header: Any = None  # zstandard.FrameParameters


def decompressor(window: int) -> Any:
    """What decompresses frames that have windows of so many bytes at most, or columns that are the beginning of one."""
    return zstandard.ZstdDecompressor(max_window_size=window).decompressobj()


def walk(data: bytes, at: int) -> tuple[list[int], bool]:
    """Where blocks end, from `at` on, as far as there are any, and whether the last one is the last of its frame."""
    ends, last = [at], 0
    while at < len(data) and not last:
        head = int.from_bytes(data[at : at + 3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        at += 3 + (1 if kind == 1 else size)
        require(at <= len(data), "a block that is cut short")
        ends.append(at)
    return ends, bool(last)


def frame_at(data: bytes, begin: int) -> Frame:
    """The frame that begins at `begin`, maybe a skippable one."""
    head = data[begin : begin + 18]
    with refusing(zstandard.ZstdError, "no frame"):
        header, at = zstandard.get_frame_parameters(head), begin + zstandard.frame_header_size(head)
    if not head.startswith(MAGIC):
        end = begin + 8 + int.from_bytes(head[4:8], "little")
        require(end <= len(data), "a skippable frame that is cut short")
        return Frame(begin, end, [])
    ends, complete = walk(data, at)
    end = ends[-1] + 4 * header.has_checksum
    require(complete and end <= len(data), "a frame that is cut short")
    return Frame(begin, end, ends, header)


def begins_blob(blob: bytes, at: int = 0) -> bool:
    """Whether a frame begins here, maybe a skippable one."""
    return blob.startswith(MAGIC, at) or (blob.startswith(b"\x2a\x4d\x18", at + 1) and blob[at] >> 4 == 5)


def frames_of(blob: bytes) -> list[Frame]:
    """The frames at the head of a blob."""
    frames: list[Frame] = []
    at = 0
    while begins_blob(blob, at):
        frames.append(frame_at(blob, at))
        at = frames[-1].end
    return frames


def feed(unpacker: Any, data: bytes, begin: int, ends: list[int], limit: int) -> bytes:
    """What a decompressor makes of blocks, one by one, since each makes 128 KiB at most: up to `limit` bytes."""
    out = bytearray()
    with refusing(zstandard.ZstdError, "what does not decompress"):
        for end in ends:
            out += unpacker.decompress(data[begin:end])
            require(len(out) <= limit, "more uncompressed data than is said")
            begin = end
    return bytes(out)


class Column:
    """A column of deltas: a frame that goes through all segments, never ended (DELTA.md, Segment)."""

    def __init__(self, window: int) -> None:
        self.begun, self.unpacker = False, decompressor(window)

    def unpack(self, stored: bytes, size: int) -> bytes:
        """What a segment has of it: `size` bytes, if any."""
        if not size:
            return b""
        with refusing(zstandard.ZstdError, "a column without a header"):
            ends, ended = walk(stored, 0 if self.begun else zstandard.frame_header_size(stored))
        self.begun = True
        require(not ended, "a column's frame that ends")
        out = feed(self.unpacker, stored, 0, ends, size)
        require(len(out) == size, "a column that is smaller than the segment says")
        return out


def unpack(data: bytes, frame: Frame, limit: int, window: int = MAX_FOREIGN_WINDOW) -> bytes:
    """What a frame holds, of at most `limit` bytes; nothing if it is skippable."""
    ends = sorted({*frame.ends, frame.end}) if frame.ends else []
    return feed(decompressor(window), data, frame.begin, ends, limit)


def unpack_blob(blob: bytes, limit: int) -> bytes:
    """What all frames of a blob hold (FORMAT.md, Uncompressed data of a blob), of at most `limit` bytes."""
    out = bytearray()
    for frame in frames_of(blob):
        out += unpack(blob, frame, limit - len(out))
    return bytes(out)


def unpack_member(packed: bytes, content: int) -> bytes:
    """What a frame of a bundle holds, which must be `content` bytes (FORMAT.md, Frames)."""
    frame = frame_at(packed, 0)
    require(frame.ends and frame.end == len(packed), "bytes between frames")
    require(packed[4] & 0b00011111 == 0b00000100, "a frame's descriptor that no bundle has")
    require(frame.header.content_size == content, "a frame of another content size")
    return unpack(packed, frame, content, MAX_WINDOW)
