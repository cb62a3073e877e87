"""Zstandard frames (RFC 8878): where they end, what their headers say, and what they hold.

Magic numbers, types of blocks, dictionaries and sizes of content are checked by the library that decompresses.
"""

from dataclasses import dataclass

import zstandard

from .errors import FormatError, require

MAGIC = bytes.fromhex("28b52ffd")
MAX_WINDOW = 8388608
MAX_FOREIGN_WINDOW = 134217728  # of a layer


@dataclass(frozen=True)
class Frame:
    """What the header of a frame says, and where its blocks and the frame end. `content` is bytes, None if not told."""

    descriptor: int
    content: int | None
    window: int
    blocks: list[int]
    last_is_empty: bool
    end: int


def header_size(data: bytes, at: int) -> tuple[int, int | None, int, int]:
    """Descriptor, content size, window size and end of the header of the frame that begins at `at`.

    Raises:
        FormatError: it is cut short.
    """
    require(len(data) > at + 6, "a frame that is cut short")
    descriptor, at = data[at + 4], at + 5
    single = descriptor >> 5 & 1
    window = 0
    if not single:
        exponent, mantissa = data[at] >> 3, data[at] & 7
        window = (1 << 10 + exponent) + (1 << 10 + exponent) // 8 * mantissa
        at += 1
    named = (0, 1, 2, 4)[descriptor & 3]
    at += named
    width = (single, 2, 4, 8)[descriptor >> 6]
    content = int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0) if width else None
    return descriptor, content, window if content is None or not single else content, at + width


def walk(data: bytes, at: int, window: int) -> tuple[list[int], bool]:
    """Ends of the blocks from `at` on, as far as there are any, and whether the last one of the frame is the last.

    Raises:
        FormatError: a block is larger than it may be, or cut short.
    """
    ends = []
    while at < len(data):
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        require(size <= min(window, 131072), "a block over its limit")
        at += 3 + (1 if kind == 1 else size)
        require(at <= len(data), "a block that is cut short")
        ends.append(at)
        if last:
            return ends, True
    return ends, False


def parse(data: bytes, begin: int = 0) -> Frame:
    """The frame that begins at `begin`.

    Raises:
        FormatError: it is malformed or cut short.
    """
    descriptor, content, window, at = header_size(data, begin)
    blocks, complete = walk(data, at, window)
    require(complete, "a frame that is cut short")
    end = blocks[-1] + (4 if descriptor & 4 else 0)
    require(end <= len(data), "a frame that is cut short")
    empty = len(blocks) > 1 and blocks[-1] - blocks[-2] == 3
    return Frame(descriptor, content, window, blocks, empty, end)


def unpack_frame(frame: bytes, content: int) -> bytes:
    """What a frame of a bundle holds, which must be `content` bytes, under the restrictions of FORMAT.md, Frames.

    Raises:
        FormatError: the frame breaks one of them, or does not decompress.
    """
    parsed = parse(frame)
    require(parsed.end == len(frame), "bytes between frames")
    require(parsed.descriptor & 0b00011111 == 0b00000100, "a frame's descriptor that no bundle has")
    require(parsed.content == content, "a frame of another content size")
    require(parsed.window <= MAX_WINDOW, "a window over its limit")
    require(len(frame) <= content + content // 256 + 1024, "a frame that is longer than its content allows")
    try:
        unpacked = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompress(frame, max_output_size=content)
    except zstandard.ZstdError as error:
        raise FormatError(f"a frame that does not decompress: {error}") from error
    return unpacked


def unpack_blob(blob: bytes, limit: int) -> bytes:
    """What all frames of a blob hold (FORMAT.md, Uncompressed data of a blob): at most `limit` bytes and a block.

    Raises:
        FormatError: a frame does not decompress to its end.
    """
    out = bytearray()
    for begin, end, skippable in frames_of(blob):
        if not skippable:
            unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_FOREIGN_WINDOW)
            with unpacker.stream_reader(blob[begin:end], read_across_frames=False) as reader:
                try:
                    while part := reader.read(131072):
                        out += part
                        require(len(out) <= limit, "more uncompressed data than the index says")
                except zstandard.ZstdError as error:
                    raise FormatError(f"a blob that does not decompress: {error}") from error
    return bytes(out)


def frames_of(blob: bytes) -> list[tuple[int, int, bool]]:
    """Begin and end of each frame at the head of a blob, and whether it is skippable.

    Raises:
        FormatError: one of them is cut short or malformed.
    """
    at = 0
    found = []
    while at < len(blob):
        begin = at
        if blob[at + 1 : at + 4] == b"\x2a\x4d\x18" and blob[at] >> 4 == 5:
            at += 8 + int.from_bytes(blob[at + 4 : at + 8], "little")
            require(at <= len(blob), "a skippable frame that is cut short")
        elif blob[at : at + 4] == MAGIC:
            at = parse(blob, at).end
        else:
            break
        found.append((begin, at, blob[begin] >> 4 == 5))
    return found
