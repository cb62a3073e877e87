"""gzip files (RFC 1952) and the deflate streams in them (RFC 1951), read token by token (DEFLATE.md)."""

import zlib
from dataclasses import dataclass, field

from .errors import FormatError, require

STORED, FIXED, DYNAMIC = 0, 1, 2
LENGTHS = [(3 + at, 0) for at in range(8)]  # the same of lengths, by symbol less 257
LENGTHS += [((4 + at % 4 << at // 4) + 3, at // 4) for at in range(4, 24)]
LENGTHS.append((258, 0))
DISTANCES = [(1, 0), (2, 0)]  # by symbol: the smallest distance, and the number of extra bits
DISTANCES += [((2 + (symbol & 1) << symbol // 2 - 1) + 1, symbol // 2 - 1) for symbol in range(2, 30)]
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
FIXED_LENGTHS = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
MAX_HEADER = 1 << 20

Match = tuple[int, int, bool]  # length, distance, whether 258 is spelled as symbol 284


@dataclass
class Block:
    """A deflate block. `padding` is what lies before a stored block's length; `header` what a dynamic one sends."""

    kind: int
    final: bool
    size: int = 0  # bytes, of a stored block
    padding: int = 0
    header: bytes = b""  # as an explicit header of DEFLATE.md
    tokens: list[int | Match] = field(default_factory=list)  # a literal's value, or a match


@dataclass
class Member:
    """A gzip member; `begin` is the position of its first uncompressed byte."""

    header: bytes
    begin: int
    blocks: list[Block] = field(default_factory=list)
    padding: int = 0
    crc: int = 0
    size: int = 0


@dataclass
class File:
    """A gzip file: its members, what follows them, and its uncompressed data."""

    members: list[Member]
    tail: bytes
    content: bytes


def unpack(blob: bytes, limit: int) -> bytes:
    """The uncompressed data of a gzip file, of at most `limit` bytes (FORMAT.md, Uncompressed data of a blob).

    Raises:
        FormatError: a member does not decompress to its end, or has other sums.
    """
    out = bytearray()
    is_first = True
    while is_first or begins_member(blob, 0):
        is_first = False
        unpacker = zlib.decompressobj(31)
        try:
            out += unpacker.decompress(blob, limit - len(out) + 1)
        except zlib.error as error:
            raise FormatError(f"a gzip file that does not decompress: {error}") from error
        require(len(out) <= limit, "more uncompressed data than the index says")
        require(unpacker.eof, "a gzip file that is cut short")
        blob = unpacker.unused_data
    return bytes(out)


class _Bits:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.held, self.count = data, at, 0, 0

    def fill(self, count: int) -> None:
        while self.count < count:
            part = self.data[self.at : self.at + 8]
            require(part, "a deflate stream that is cut short")
            self.held |= int.from_bytes(part, "little") << self.count
            self.at, self.count = self.at + len(part), self.count + 8 * len(part)

    def take(self, count: int) -> int:
        self.fill(count)
        value = self.held & (1 << count) - 1
        self.held >>= count
        self.count -= count
        return value

    def align(self) -> int:
        """The bits up to the next byte; the position is then that of this byte."""
        padding = self.take(self.count % 8)
        self.at -= self.count // 8
        self.held = self.count = 0
        return padding


class _Code:
    """A Huffman code, as a table over the bits that come next: symbol and length."""

    def __init__(self, lengths: list[int], may_be_incomplete: bool) -> None:
        used = sum(1 << 15 - length for length in lengths if length)
        single = sum(map(bool, lengths)) < 2 and max(lengths, default=0) < 2
        require(used == 1 << 15 or (may_be_incomplete and single), "an incomplete code")
        self.width = max(lengths, default=0) or 1
        self.table: list[tuple[int, int] | None] = [None] * (1 << self.width)
        for symbol, (code, length) in codes(lengths).items():
            for at in range(code, 1 << self.width, 1 << length):
                self.table[at] = (symbol, length)

    def read(self, bits: _Bits) -> int:
        if bits.count < self.width and bits.at < len(bits.data):
            bits.fill(self.width) if len(bits.data) - bits.at > 8 else bits.fill(bits.count + 1)
        entry = self.table[bits.held & (1 << self.width) - 1]
        if entry is None or entry[1] > bits.count:
            raise FormatError("a symbol that the code does not have, or a stream that is cut short")
        bits.held >>= entry[1]
        bits.count -= entry[1]
        return entry[0]


def codes(lengths: list[int]) -> dict[int, tuple[int, int]]:
    """For each symbol with a code its bits, the first one lowest, and their number (RFC 1951 3.2.2).

    Raises:
        FormatError: there are more codes than bits allow.
    """
    require(sum(1 << 15 - length for length in lengths if length) <= 1 << 15, "an over-subscribed code")
    found = {}
    code = 0
    for length in range(1, 16):
        code <<= 1
        for symbol, one in enumerate(lengths):
            if one == length:
                found[symbol] = (int(f"{code:0{length}b}"[::-1], 2), length)
                code += 1
    return found


def parse(blob: bytes) -> File:
    """Read a gzip file into tokens.

    Raises:
        FormatError: it is no gzip file, or refused (DEFLATE.md, Files that are refused).
    """
    out = bytearray()
    members: list[Member] = []
    at = 0
    while not members or begins_member(blob, at):
        end = _header_end(blob, at)
        member = Member(blob[at:end], len(out))
        bits = _Bits(blob, end)
        while not (member.blocks and member.blocks[-1].final):
            member.blocks.append(_block(bits, out, member.begin))
        member.padding = bits.align()
        at = bits.at + 8
        require(at <= len(blob), "a gzip file that is cut short")
        member.crc, member.size = (int.from_bytes(blob[place : place + 4], "little") for place in (at - 8, at - 4))
        members.append(member)
    return File(members, blob[at:], bytes(out))


def begins_member(blob: bytes, at: int) -> bool:
    """Whether a member follows another one here."""
    return len(blob) - at >= 10 and blob[at : at + 3] == b"\x1f\x8b\x08" and not blob[at + 3] & 0xE0


def _header_end(blob: bytes, at: int) -> int:
    require(begins_member(blob, at), "no gzip file")
    flags, end = blob[at + 3], at + 10
    if flags & 4:
        end += 2 + int.from_bytes(blob[end : end + 2], "little")
    for flag in (8, 16):
        if flags & flag:
            end = blob.find(b"\0", end) + 1 or len(blob) + 1
    end += flags & 2
    require(end - at <= MAX_HEADER, "a gzip header over its limit")
    return end


def _block(bits: _Bits, out: bytearray, begin: int) -> Block:
    final, kind = bool(bits.take(1)), bits.take(2)
    block = Block(kind, final)
    if kind == STORED:
        block.padding = bits.align()
        head = bits.data[bits.at : bits.at + 4]
        require(len(head) == 4, "a deflate stream that is cut short")
        block.size = head[0] | head[1] << 8
        require(block.size ^ 0xFFFF == head[2] | head[3] << 8, "a stored block whose sizes differ")
        bits.at += 4 + block.size
        out += bits.data[bits.at - block.size : bits.at]
        return block
    if kind == FIXED:
        literals, distances = _Code(FIXED_LENGTHS, False), _Code([5] * 32, False)
    elif kind == DYNAMIC:
        block.header = _dynamic_header(bits)
        literals, distances = (_Code(lengths, True) for lengths in lengths_of(block.header))
    else:
        raise FormatError("a block of the reserved type")
    tokens = block.tokens
    while (symbol := literals.read(bits)) != 256:
        if symbol < 256:
            out.append(symbol)
            tokens.append(symbol)
            continue
        require(symbol < 286, "a length that is none")
        length, extra = LENGTHS[symbol - 257]
        length += bits.take(extra)
        code = distances.read(bits)
        require(code < 30, "a distance that is none")
        distance = DISTANCES[code][0] + bits.take(DISTANCES[code][1])
        at = len(out) - distance
        require(at >= begin, "a distance to before the member")
        for _ in range(length // distance + 1):  # what overlaps is copied from what was copied before
            out += out[at : at + min(distance, len(out) - at, length)]
            if len(out) - at - distance >= length:
                break
        del out[at + distance + length :]
        tokens.append((length, distance, symbol == 284 and length == 258))
    return block


def _dynamic_header(bits: _Bits) -> bytes:
    head = [bits.take(width) for width in (5, 5, 4)]
    lengths = [0] * 19
    for symbol in ORDER[: head[2] + 4]:
        lengths[symbol] = bits.take(3)
    code = _Code(lengths, False)
    runs: list[int] = []
    total = 0
    while total < head[0] + 257 + head[1] + 1:
        symbol = code.read(bits)
        run = symbol if symbol < 16 else (16, 20, 28)[symbol - 16] + bits.take((2, 3, 7)[symbol - 16])
        runs.append(run)
        total += len_of_run(run)
    return bytes([*head, *lengths, *runs])


def len_of_run(run: int) -> int:
    """How many code lengths a run gives (DEFLATE.md, Codes)."""
    if run < 16:
        return 1
    return run - 13 if run < 20 else run - 17


def lengths_of(header: bytes) -> tuple[list[int], list[int]]:
    """The code lengths that an explicit header gives, those of literals and lengths, and those of distances.

    Raises:
        FormatError: there are too many, or the runs do not give as many.
    """
    require(header[0] <= 29 and header[1] <= 29, "too many code lengths")
    lengths: list[int] = []
    for run in header[22:]:
        require(lengths or not 16 <= run < 20, "a length repeated that is not there")
        value = run if run < 16 else lengths[-1] if run < 20 else 0
        lengths += [value] * len_of_run(run)
    literals = header[0] + 257
    require(len(lengths) == literals + header[1] + 1, "runs that do not add up")
    return lengths[:literals], lengths[literals:]
