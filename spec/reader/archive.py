"""Frames, seek table and archive of a bundle (FORMAT.md, Members, Frames and Seek table)."""

import struct
import tarfile
from collections.abc import Iterator

from . import zstd
from .errors import require

MAX_FRAMES = 1048576
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


def frame_sizes(members: list[int]) -> list[tuple[int, int]]:
    """How a section of members of these sizes is cut: for each frame its size, and how many members end in it."""
    require(sum(members) <= MAX_FRAMES * FRAME, "more frames than a bundle may have")
    frames: list[tuple[int, int]] = []
    group = count = 0
    for size in [*members, FRAME]:  # a large one at the end, to end the last group
        if count and (size > SMALL or group + size > GROUP):
            frames.append((group, count))
            group = count = 0
        if size > SMALL:
            frames += [(min(FRAME, size - at), int(at + FRAME >= size)) for at in range(0, size, FRAME)]
        else:
            group, count = group + size, count + 1
    return frames[:-1]


def octal_size(record: bytes) -> int:
    """The size that a header says, which nothing else tells of the index and of signatures over it."""
    digits = record[124:135]
    require(len(digits) == 11 and digits.isdigit() and max(digits) <= ord("7"), "a member without a size")
    return int(digits, 8)


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
        self.entries = list(struct.iter_unpack("<II4s", table[8:-9]))  # packed size, content size, checksum
        require(sum(one[0] for one in self.entries) + len(table) == len(data), "a seek table of another file")
        fit = all(size <= FRAME and packed <= size + size // 256 + 1024 for packed, size, _ in self.entries)
        require(fit, "a seek table with a frame over its limit")
        self.data, self.next, self.at = data, 0, 0  # the number of the frame that comes next, and where it begins

    def content_size(self) -> int:
        """What the seek table says of the next frame's content, in bytes; -1 if there is no frame left."""
        return self.entries[self.next][1] if self.next < len(self.entries) else -1

    def peek(self, content: int) -> bytes:
        """What the next frame holds, which must be `content` bytes."""
        require(self.content_size() == content, "a frame of another content size, or none")
        packed, _, checksum = self.entries[self.next]
        frame = self.data[self.at : self.at + packed]
        require(frame[-4:] == checksum, "a checksum in the seek table that is not the frame's")
        return zstd.unpack_member(frame, content)

    def frame(self, content: int) -> bytes:
        """As `peek`, and go on."""
        unpacked = self.peek(content)
        self.at, self.next = self.at + self.entries[self.next][0], self.next + 1
        return unpacked

    def section(self, members: list[Member]) -> Iterator[bytes]:
        """The contents of the members of a section."""
        held, number = bytearray(), 0
        for size, ends in frame_sizes([whole_size(one) for one in members]):
            held += self.frame(size)
            if ends:
                yield from cut(bytes(held), members[number : number + ends])
                held, number = bytearray(), number + ends

    def index(self, limit: int) -> bytes:
        """The content of the first member, which alone says how large it is."""
        first = self.content_size()
        require(first >= 0, "no frame")
        one = member(".airpatch/index", octal_size(self.peek(first)[:RECORD]))
        require(one[1] <= limit, "an index over its limit")
        sizes = [min(FRAME, whole_size(one) - at) for at in range(0, whole_size(one), FRAME)]
        return next(cut(b"".join(map(self.frame, sizes)), [one]))
