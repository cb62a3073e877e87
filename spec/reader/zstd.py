"""Zstandard frames (RFC 8878): where they end, what their headers say, and what they hold.

Types of blocks, dictionaries, checksums and sizes of content are checked by libzstd, which decompresses.
"""

from dataclasses import dataclass
from typing import Any

import zstandard

from .errors import refusing, require

MAGIC = bytes.fromhex("28b52ffd")
MAX_WINDOW, MAX_FOREIGN_WINDOW = 8388608, 134217728  # bytes; the latter is that of layers


@dataclass(frozen=True)
class Frame:
    """A frame that lies from `begin` to `end`, and the ends of its header and blocks; a skippable one has none."""

    begin: int
    end: int
    ends: list[int]
    header: Any = None

    @property
    def last_is_empty(self) -> bool:
        """Whether it has several blocks, the last of which is empty."""
        return len(self.ends) > 2 and self.ends[-1] - self.ends[-2] == 3


def header_of(data: bytes, at: int) -> tuple[Any, int]:
    """What the header of the frame at `at` says (zstandard.FrameParameters), and where it ends."""
    require(data[at : at + 4] == MAGIC, "no frame")
    with refusing(zstandard.ZstdError, "no frame"):
        return zstandard.get_frame_parameters(data[at : at + 18]), at + zstandard.frame_header_size(data[at : at + 18])


def walk(data: bytes, at: int, window: int) -> tuple[list[int], bool]:
    """Where blocks end, from `at` on, as far as there are any, and whether the last one is the last of its frame."""
    ends, last = [at], 0
    while at < len(data) and not last:
        head = int.from_bytes(data[at : at + 3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        require(size <= min(window, 131072), "a block over its limit")
        at += 3 + (1 if kind == 1 else size)
        require(at <= len(data), "a block that is cut short")
        ends.append(at)
    return ends, bool(last)


def frame_at(data: bytes, begin: int) -> Frame:
    """The frame that begins at `begin`, which need not be a skippable one."""
    if begins_skippable(data, begin):
        end = begin + 8 + int.from_bytes(data[begin + 4 : begin + 8], "little")
        require(end <= len(data), "a skippable frame that is cut short")
        return Frame(begin, end, [])
    header, at = header_of(data, begin)
    ends, complete = walk(data, at, header.window_size)
    end = ends[-1] + 4 * header.has_checksum
    require(complete and end <= len(data), "a frame that is cut short")
    return Frame(begin, end, ends, header)


def begins_skippable(data: bytes, at: int) -> bool:
    """Whether a skippable frame begins here."""
    return data[at + 1 : at + 4] == b"\x2a\x4d\x18" and data[at] >> 4 == 5


def begins_blob(blob: bytes, at: int = 0) -> bool:
    """Whether a frame begins here."""
    return blob.startswith(MAGIC, at) or begins_skippable(blob, at)


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


def unpack(data: bytes, frame: Frame, limit: int, window: int = MAX_FOREIGN_WINDOW) -> bytes:
    """What a frame holds, of at most `limit` bytes; nothing if it is skippable."""
    if not frame.ends:
        return b""
    unpacker = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
    return feed(unpacker, data, frame.begin, sorted({*frame.ends, frame.end}), limit)


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
    require(frame.header.window_size <= MAX_WINDOW, "a window over its limit")
    require(len(packed) <= content + content // 256 + 1024, "a frame that is longer than its content allows")
    return unpack(packed, frame, content, MAX_WINDOW)
