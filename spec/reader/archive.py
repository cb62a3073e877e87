"""Frames, seek table and archive of a bundle (FORMAT.md, Members, Frames and Seek table)."""

from collections.abc import Iterator

from . import zstd
from .errors import require

MAX_FRAMES = 1048576
RECORD = 512
FRAME, GROUP, SMALL = 8388608, 1048576, 65536
END = bytes(2 * RECORD)


def header_of(path: str, size: int) -> bytes:
    """The records before a member's content: one, or three and more where the path needs the GNU form."""
    name = path.encode()
    prefix, gnu = b"", size >= 2**33
    before = b""
    if len(name) > 100:
        cuts = [at for at, byte in enumerate(name) if byte == 0x2F and len(name) - at - 1 <= 100]
        if not gnu and cuts and cuts[0] <= 155:
            prefix, name = name[: cuts[0]], name[cuts[0] + 1 :]
        else:
            gnu = True
            before = _record(b"././@LongLink", 0, len(name) + 1, 0, b"L", gnu, b"") + _padded(name + b"\0")
    return before + _record(name[:100], 0o644, size, 315532800, b"0", gnu, prefix)


def _record(name: bytes, mode: int, size: int, mtime: int, kind: bytes, gnu: bool, prefix: bytes) -> bytes:
    head = name.ljust(100, b"\0") + b"%07o\0" % mode + b"0000000\0" * 2
    head += b"\x80" + size.to_bytes(11, "big") if size >= 2**33 else b"%011o\0" % size
    head += b"%011o\0" % mtime
    magic = b"ustar  \0" if gnu else b"ustar\x0000"
    tail = (kind + bytes(100) + magic).ljust(345 - 156, b"\0") + prefix.ljust(155, b"\0") + bytes(12)
    checksum = sum(head) + 8 * 0x20 + sum(tail)
    return head + b"%06o\0 " % checksum + tail


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % RECORD)


def frame_sizes(members: list[int]) -> list[tuple[int, int]]:
    """How a section is cut: for each frame its content size and how many members end in it; sizes are of whole members.

    The members of a bundle follow each other in their frames, so that this tells where each of them is.

    Raises:
        FormatError: there are more frames than a bundle may have.
    """
    require(sum(members) <= MAX_FRAMES * FRAME, "more frames than a bundle may have")
    frames = []
    group = count = 0
    for size in [*members, FRAME]:  # a large one at the end, to end the last group
        if count and (size > SMALL or group + size > GROUP):
            frames.append((group, count))
            group = count = 0
        if size > SMALL:
            whole, rest = divmod(size, FRAME)
            parts = [FRAME] * whole + ([rest] if rest else [])
            frames += [(part, 0) for part in parts[:-1]] + [(parts[-1], 1)]
        else:
            group, count = group + size, count + 1
    return frames[:-1]


class Archive:
    """The frames of a bundle that is in memory, one after the other."""

    def __init__(self, data: bytes) -> None:
        """Read the seek table.

        Raises:
            FormatError: there is none, or it does not describe the file.
        """
        self.data = data
        self.entries = _seek_table(data)
        self.next = 0  # number of the frame that comes next
        self.at = 0  # where it begins in the file

    def content_size(self) -> int | None:
        """What the seek table says of the next frame's content, in bytes; None if there is no frame left."""
        return self.entries[self.next][1] if self.next < len(self.entries) else None

    def peek(self, content: int) -> bytes:
        """What the next frame holds, which must be `content` bytes (else FormatError)."""
        require(self.content_size() == content, "a frame of another content size, or none")
        packed, _, checksum = self.entries[self.next]
        frame = self.data[self.at : self.at + packed]
        require(frame[-4:] == checksum, "a checksum in the seek table that is not the frame's")
        return zstd.unpack_frame(frame, content)

    def frame(self, content: int) -> bytes:
        """As `peek`, and go on."""
        unpacked = self.peek(content)
        self.at += self.entries[self.next][0]
        self.next += 1
        return unpacked

    def members(self, members: list[tuple[str, int]]) -> Iterator[bytes]:
        """The contents of a section's members, of which path and size in bytes are known.

        Raises:
            FormatError: frames, headers or padding are not those that follow from this.
        """
        wholes = [len(header_of(path, size)) + size + -size % RECORD for path, size in members]
        yield from self._cut(members, frame_sizes(wholes))

    def links(self, links: list[tuple[str, bytes]]) -> None:
        """Read the section of links, and the end of the archive, of which every byte is known.

        Raises:
            FormatError: one of them is another one, or something follows.
        """
        section = [(header_of(path, len(content)) + _padded(content)) for path, content in links] + [END]
        expected = b"".join(section)
        for size, _ in frame_sizes([len(member) for member in section]):
            require(self.frame(size) == expected[:size], "links that do not follow from the manifests")
            expected = expected[size:]
        require(self.content_size() is None, "a frame behind the end of the archive")

    def _cut(self, members: list[tuple[str, int]], frames: list[tuple[int, int]]) -> Iterator[bytes]:
        held = bytearray()
        number = 0
        for size, ends in frames:
            held += self.frame(size)
            for path, length in members[number : number + ends]:
                header = header_of(path, length)
                whole = len(header) + length + -length % RECORD
                member, held = bytes(held[:whole]), held[whole:]
                require(member.startswith(header), f"another header than that of {path}")
                require(not any(member[len(header) + length :]), "padding that is not zero")
                yield member[len(header) : len(header) + length]
            number += ends

    def index(self, limit: int) -> bytes:
        """The content of the first member, which alone says how large it is.

        Raises:
            FormatError: it is not the index, or over the limit.
        """
        first = self.content_size() or 0
        require(first <= FRAME, "a first frame over its limit")
        head = self.peek(first)[:RECORD]
        digits = head[124:135]
        require(digits.isdigit() and max(digits) <= ord("7"), "no index")
        size = int(digits, 8)
        require(size <= limit, "an index over its limit")
        whole = RECORD + size + -size % RECORD
        cut = [(min(FRAME, whole - at), int(at + FRAME >= whole)) for at in range(0, whole, FRAME)]
        return next(self._cut([(".airpatch/index", size)], cut))


def _seek_table(data: bytes) -> list[tuple[int, int, bytes]]:
    footer = data[-9:]
    require(len(data) >= 17 and footer[5:] == bytes.fromhex("b1ea928f"), "no seek table")
    count = int.from_bytes(footer[:4], "little")
    require(footer[4] == 0x80, "a seek table without checksums, or with reserved bits")
    require(count <= MAX_FRAMES, "a seek table over its limit")
    table = data[len(data) - 12 * count - 17 :]
    require(table[:4] == bytes.fromhex("5e2a4d18"), "a seek table in a frame of another kind")
    require(int.from_bytes(table[4:8], "little") == 12 * count + 9, "a seek table of another length")
    entries = []
    for at in range(8, 8 + 12 * count, 12):
        packed, content = int.from_bytes(table[at : at + 4], "little"), int.from_bytes(table[at + 4 : at + 8], "little")
        entries.append((packed, content, table[at + 8 : at + 12]))
    require(sum(entry[0] for entry in entries) + len(table) == len(data), "a seek table that is not that of the file")
    return entries
