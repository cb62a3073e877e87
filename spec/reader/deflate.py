"""Deflate (RFC 1951) as tokens: their symbols, Huffman codes, and blocks as they are read."""

from bisect import bisect_right
from dataclasses import dataclass, field

from .errors import require

STORED, FIXED, DYNAMIC = 0, 1, 2
# The smallest length of symbols from 257 on, the smallest distance of each symbol, and how many extra bits follow them.
LENGTHS = [*range(3, 11), *((4 + at % 4 << at // 4) + 3 for at in range(4, 24)), 258]
LENGTH_BITS = [*[0] * 8, *(at // 4 for at in range(4, 24)), 0]
DISTANCES = [1, 2, *((2 + at % 2 << at // 2 - 1) + 1 for at in range(2, 30))]
DISTANCE_BITS = [0, 0, *(at // 2 - 1 for at in range(2, 30))]
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
FIXED_LENGTHS = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8

Token = tuple[int, int, bool]  # a literal and 0, or length and distance; whether 258 is spelled as symbol 284
Code = dict[int, tuple[int, int]]  # by symbol: bits, the first one lowest, and their number
Coded = tuple[int, int, int, int]  # 0 or 1 for the alphabet of distances, symbol, extra bits and their number


def coded(token: Token) -> list[Coded]:
    """The symbols of a token."""
    value, distance, spelled = token
    if not distance:
        return [(0, value, 0, 0)]
    length, far = bisect_right(LENGTHS, value) - 1 - spelled, bisect_right(DISTANCES, distance) - 1
    return [
        (0, 257 + length, value - LENGTHS[length], LENGTH_BITS[length]),
        (1, far, distance - DISTANCES[far], DISTANCE_BITS[far]),
    ]


def codes(lengths: list[int]) -> Code:
    """The code of these lengths (RFC 1951 3.2.2)."""
    require(sum(1 << 15 - length for length in lengths if length) <= 1 << 15, "an over-subscribed code")
    found = {}
    code = before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        found[symbol] = (int(f"{code:0{length}b}"[::-1], 2), length)
        code, before = code + 1, length
    return found


class Bits:
    """Bits that are read from a position in bytes on."""

    def __init__(self, data: bytes, at: int) -> None:
        """Begin with a byte."""
        self.data, self.at, self.held, self.count = data, at, 0, 0

    def fill(self, count: int) -> None:
        """Hold so many bits, if there are."""
        if self.count < count:
            part = self.data[self.at : self.at + max(8, (count - self.count + 7) // 8)]
            self.held |= int.from_bytes(part, "little") << self.count
            self.at, self.count = self.at + len(part), self.count + 8 * len(part)

    def take(self, count: int) -> int:
        """The value of the next bits."""
        self.fill(count)
        require(count <= self.count, "a deflate stream that is cut short")
        value = self.held & (1 << count) - 1
        self.held, self.count = self.held >> count, self.count - count
        return value

    def align(self) -> int:
        """The bits up to the next byte."""
        return self.take(self.count % 8)

    def take_bytes(self, count: int) -> bytes:
        """The next bytes, which begin with the next bit."""
        return self.take(8 * count).to_bytes(count, "little")


class Decoder:
    """A Huffman code, as a table of symbol and length by the bits that come next."""

    def __init__(self, lengths: list[int], may_be_incomplete: bool) -> None:
        """A code may be incomplete if it has one symbol of one bit, or none."""
        used = sum(1 << 15 - length for length in lengths if length)
        require(used == 1 << 15 or (may_be_incomplete and sum(lengths) < 2), "an incomplete code")
        self.width = max(lengths) or 1
        self.table = [(-1, 0)] * (1 << self.width)
        for symbol, (code, length) in codes(lengths).items():
            self.table[code :: 1 << length] = [(symbol, length)] * (1 << self.width - length)

    def read(self, bits: Bits) -> int:
        """The next symbol."""
        bits.fill(self.width)
        symbol, length = self.table[bits.held & (1 << self.width) - 1]
        require(symbol >= 0, "a symbol that the code does not have")
        bits.take(length)
        return symbol


@dataclass
class Block:
    """A block. `padding` is what lies before a stored one's length; `header` what a dynamic one sends."""

    kind: int
    final: bool
    size: int = 0  # bytes, of a stored block
    padding: int = 0
    header: bytes = b""  # as an explicit header of DEFLATE.md
    tokens: list[Token] = field(default_factory=list)


def read_block(bits: Bits, out: bytearray, begin: int) -> Block:
    """Read a block, and add what it holds; no distance may lead to before `begin`."""
    block = Block(final=bool(bits.take(1)), kind=bits.take(2))
    if block.kind == STORED:
        block.padding = bits.align()
        block.size = bits.take(16)
        require(block.size ^ 0xFFFF == bits.take(16), "a stored block whose sizes differ")
        out += bits.take_bytes(block.size)
        return block
    require(block.kind in (FIXED, DYNAMIC), "a block of the reserved type")
    if block.kind == DYNAMIC:
        block.header = _read_header(bits)
        literals, distances = (Decoder(lengths, True) for lengths in lengths_of(block.header))
    else:
        literals, distances = Decoder(FIXED_LENGTHS, False), Decoder([5] * 32, False)
    while (symbol := literals.read(bits)) != 256:
        if symbol < 256:
            out.append(symbol)
            block.tokens.append((symbol, 0, False))
            continue
        require(symbol < 286, "a length that is none")
        length = LENGTHS[symbol - 257] + bits.take(LENGTH_BITS[symbol - 257])
        far = distances.read(bits)
        require(far < 30, "a distance that is none")
        distance = DISTANCES[far] + bits.take(DISTANCE_BITS[far])
        at = len(out) - distance
        require(at >= begin, "a distance to before the member")
        repeated = bytes(out[at : at + length])
        out += (repeated * (length // len(repeated) + 1))[:length]
        block.tokens.append((length, distance, symbol == 284 and length == 258))
    return block


def _read_header(bits: Bits) -> bytes:
    head = [bits.take(width) for width in (5, 5, 4)]
    lengths = [0] * 19
    for symbol in ORDER[: head[2] + 4]:
        lengths[symbol] = bits.take(3)
    code = Decoder(lengths, False)
    runs: list[int] = []
    left = head[0] + 257 + head[1] + 1
    while left > 0:
        symbol = code.read(bits)
        runs.append(symbol if symbol < 16 else (16, 20, 28)[symbol - 16] + bits.take((2, 3, 7)[symbol - 16]))
        left -= run_size(runs[-1])
    return bytes([*head, *lengths, *runs])


def run_size(run: int) -> int:
    """How many code lengths a run gives (DEFLATE.md, Codes)."""
    return 1 if run < 16 else run - 13 if run < 20 else run - 17


def coded_run(run: int) -> tuple[int, int, int]:
    """The symbol, extra bits and their number of a run."""
    if run < 16:
        return run, 0, 0
    return (16, run - 16, 2) if run < 20 else (17, run - 20, 3) if run < 28 else (18, run - 28, 7)


def lengths_of(header: bytes) -> tuple[list[int], list[int]]:
    """The code lengths that an explicit header gives, those of literals and lengths, and those of distances."""
    require(header[0] <= 29 and header[1] <= 29, "too many code lengths")
    lengths: list[int] = []
    for run in header[22:]:
        require(lengths or not 16 <= run < 20, "a length repeated that is not there")
        lengths += [run if run < 16 else lengths[-1] if run < 20 else 0] * run_size(run)
    literals = header[0] + 257
    require(len(lengths) == literals + header[1] + 1, "runs that do not add up")
    return lengths[:literals], lengths[literals:]
