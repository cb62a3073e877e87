"""Frames, seek table and archive of a bundle (FORMAT.md, Members, Frames and Seek table)."""

import struct
import tarfile
from collections import deque
from collections.abc import Iterator
from itertools import accumulate

from . import zstd
from .errors import require

MAX_FRAMES, MAX_INDEX, MAX_SIGNATURES = 1048576, 16777216, 16
RECORD, FRAME, GROUP, SMALL = 512, 8388608, 1048576, 65536
Member = tuple[bytes, int]  # header records, size of the content in bytes
END: Member = (bytes(2 * RECORD), 0)


def member(path: str, size: int) -> Member:
    """The member of this path and size: its header has the GNU form if the plain one cannot hold them."""
    info = tarfile.TarInfo(path)
    info.size, info.mtime = size, 315532800
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"), size
    except ValueError:
        return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict"), size


def whole_size(one: Member) -> int:
    """How many bytes a member has with header and padding."""
    return len(one[0]) + one[1] + -one[1] % RECORD


def frame_sizes(members: list[int]) -> list[int]:
    """How a section of members of these sizes is cut (FORMAT.md, Frames)."""
    require(sum(members) <= MAX_FRAMES * FRAME, "more frames than a bundle may have")
    frames: list[int] = []
    group = 0
    for size in members:
        if group and (size > SMALL or group + size > GROUP):
            frames.append(group)
            group = 0
        if size > SMALL:
            frames += [min(FRAME, size - at) for at in range(0, size, FRAME)]
        else:
            group += size
    return [*frames, group] if group else frames


def said(path: str, held: bytes) -> Member:
    """The member of this path that comes first, whose size nothing but its header says: the index, or a signature."""
    digits = held[124:135]
    require(len(digits) == 11 and digits.isdigit() and max(digits) <= ord("7"), "a member without a size")
    return member(path, int(digits, 8))


def cut(held: bytes, members: list[Member]) -> Iterator[bytes]:
    """The contents of members that follow each other in these bytes."""
    at = 0
    for header, size in members:
        require(held.startswith(header, at), "another header than follows from the index, or a member cut short")
        begin, at = at + len(header), at + whole_size((header, size))
        require(at <= len(held) and not any(held[begin + size : at]), "padding that is not zero")
        yield held[begin : begin + size]


class Archive:
    """The frames of a bundle that is in memory, one after the other."""

    def __init__(self, data: bytes) -> None:
        """Read the seek table, which must describe the file."""
        count, flags = struct.unpack("<IB", data[-9:-4].ljust(5, b"\0"))
        require(data[-4:] == bytes.fromhex("b1ea928f"), "no seek table")
        require(flags == 0x80, "a seek table without checksums, or with reserved bits")
        require(count <= MAX_FRAMES, "a seek table over its limit")
        table = data[max(0, len(data) - 12 * count - 17) :]
        require(table[:4] == bytes.fromhex("5e2a4d18"), "a seek table in a frame of another kind")
        require(int.from_bytes(table[4:8], "little") == 12 * count + 9, "a seek table of another length")
        entries = list(struct.iter_unpack("<II4s", table[8:-9]))  # packed size, content size, checksum
        require(sum(packed for packed, _, _ in entries) + len(table) == len(data), "a seek table of another file")
        fit = all(size <= FRAME and packed <= size + size // 256 + 1024 for packed, size, _ in entries)
        require(fit, "a seek table with a frame over its limit")
        ends = accumulate(packed for packed, _, _ in entries)
        self.frames = deque((data[end - one[0] : end], *one[1:]) for end, one in zip(ends, entries, strict=True))

    def peek(self) -> bytes:
        """What the next frame holds; nothing if there is none."""
        if not self.frames:
            return b""
        packed, size, checksum = self.frames[0]
        require(packed[-4:] == checksum, "a checksum in the seek table that is not the frame's")
        return zstd.unpack_member(packed, size)

    def take(self, content: int) -> bytes:
        """What the next frame holds, which must be so many bytes."""
        require(self.frames and self.frames[0][1] == content, "a frame of another content size, or none")
        held = self.peek()
        self.frames.popleft()
        return held

    def section(self, members: list[Member]) -> Iterator[bytes]:
        """The contents of the members of a section."""
        return cut(b"".join(map(self.take, frame_sizes([whole_size(one) for one in members]))), members)

    def index(self) -> bytes:
        """The content of the first member, which alone says how large it is."""
        one = said(".airpatch/index", self.peek())
        require(one[1] <= MAX_INDEX, "an index over its limit")
        sizes = [min(FRAME, whole_size(one) - at) for at in range(0, whole_size(one), FRAME)]
        return next(cut(b"".join(map(self.take, sizes)), [one]))

    def signatures(self) -> list[bytes]:
        """The contents of the members after it that are signatures."""
        found: list[bytes] = []
        if (content := self.peek()).startswith(b".airpatch/index.1.sig\0"):
            self.frames.popleft()
            while content:
                require(len(found) < MAX_SIGNATURES, "too many signatures")
                one = said(f".airpatch/index.{len(found) + 1}.sig", content)
                found += cut(content, [one])
                content = content[whole_size(one) :]
        return found
