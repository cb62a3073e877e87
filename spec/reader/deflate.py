"""Deflate (RFC 1951) and gzip files (RFC 1952) as tokens: alphabets, Huffman codes, blocks, members.

One function, `transfer`, reads blocks and writes them: it says each number. A `BitWriter` writes that number, while a
`BitReader` passes over it, and returns the one that stands in the file.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, repeat

from .errors import refusing, require

STORED, FIXED, DYNAMIC = 0, 1, 2
END, SPELLED = 256, 512  # numbers of LITERALS
MAX_HEADER, MAX_CONTENT = 1 << 20, 1 << 62
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class Alphabet:
    """Numbers that are coded as symbol and extra bits: each symbol stands for 2^w of them, behind those before it."""

    def __init__(self, widths: list[int]) -> None:
        """Make the alphabet of symbols that have so many extra bits."""
        self.coded = [(symbol, extra, width) for symbol, width in enumerate(widths) for extra in range(1 << width)]
        self.widths, self.firsts = widths, list(accumulate((1 << width for width in widths), initial=0))


# A literal, the end, or a match's length + 254; 258 has two numbers, and the first one is that of its long spelling.
LITERALS = Alphabet([*[0] * 265, *(at // 4 for at in range(4, 24)), 0])
DISTANCES = Alphabet([0, 0, *(at // 2 for at in range(28))])  # less 1
RUNS = Alphabet([*[0] * 16, 2, 3, 7])  # as in an explicit header of DEFLATE.md

Token = tuple[int, int]  # of LITERALS, and the distance of a match, else 0


def length_of(token: Token) -> int:
    """How many bytes a token stands for."""
    return min(token[0] - 254, 258) if token[1] else 1


def counts_of(tokens: list[Token]) -> tuple[list[int], list[int]]:
    """How often tokens, and the end of their block, use each symbol: of literals and lengths, and of distances."""
    literals, distances = [0] * 286, [0] * 30
    for value, distance in [*tokens, (END, 0)]:
        literals[LITERALS.coded[value][0]] += 1
        if distance:
            distances[DISTANCES.coded[distance - 1][0]] += 1
    return literals, distances


class Code:
    """A Huffman code (RFC 1951 3.2.2): by symbol its bits, the first one lowest, and their number."""

    def __init__(self, lengths: list[int]) -> None:
        """Make the code of these lengths."""
        require(sum(1 << 15 - length for length in lengths if length) <= 1 << 15, "an over-subscribed code")
        self.bits: dict[int, tuple[int, int]] = {}
        self.width = max(lengths)
        code = before = 0
        for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
            code <<= length - before
            self.bits[symbol] = (int(f"{code:0{length}b}"[::-1], 2), length)
            code, before = code + 1, length

    @cached_property
    def symbols(self) -> list[tuple[int, int]]:
        """By the bits that come next the symbol, and the number of its bits."""
        table = [(0, 0)] * (1 << self.width)
        for symbol, (code, length) in self.bits.items():
            table[code :: 1 << length] = [(symbol, length)] * (1 << self.width - length)
        return table


class BitReader:
    """Bits that are read from a byte on, of a stream that zlib takes: nothing is checked here."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.held, self.count = data, at, 0, 0

    @property
    def free(self) -> int:
        """How many bits there are up to the next byte."""
        return self.count % 8

    def _peek(self, width: int) -> int:
        if self.count < width:
            part = self.data[self.at : self.at + (width + 63) // 8]
            self.held |= int.from_bytes(part, "little") << self.count
            self.at, self.count = self.at + len(part), self.count + 8 * len(part)
        return self.held & (1 << width) - 1

    def number(self, width: int, _: int = 0) -> int:
        """The next bits."""
        value = self._peek(width)
        self.held, self.count = self.held >> width, self.count - width
        return value

    def coded(self, code: Code, alphabet: Alphabet, _: int = 0) -> int:
        """The next number of an alphabet."""
        symbol, length = code.symbols[self._peek(code.width)]
        self.number(length)
        return alphabet.firsts[symbol] + self.number(alphabet.widths[symbol])


class BitWriter:
    """Bits that are written, and the bytes that are full."""

    def __init__(self) -> None:
        self.out, self.held, self.count = bytearray(), 0, 0

    @property
    def free(self) -> int:
        """How many bits the last byte has room for."""
        return -self.count % 8

    def number(self, width: int, value: int) -> int:
        """Write so many bits."""
        require(value >> width == 0, "a number of more bits than there are")
        self.held |= value << self.count
        self.count += width
        if self.count > 256 or not self.free:
            size = self.count // 8
            self.out += (self.held & (1 << 8 * size) - 1).to_bytes(size, "little")
            self.held, self.count = self.held >> 8 * size, self.count - 8 * size
        return value

    def coded(self, code: Code, alphabet: Alphabet, value: int) -> int:
        """Write a number of an alphabet."""
        symbol, extra, width = alphabet.coded[value]
        require(symbol in code.bits, "a token without a code")
        bits, length = code.bits[symbol]
        self.number(length + width, extra << length | bits)
        return value


@dataclass
class Block:
    """A block. `padding` is what lies before a stored one's length; `header` what a dynamic one sends."""

    kind: int = STORED
    final: bool = False
    padding: int = 0
    stored: bytes = b""
    header: bytes = b""  # as an explicit header of DEFLATE.md
    tokens: list[Token] = field(default_factory=list)


def transfer(bits: BitReader | BitWriter, block: Block) -> Block:
    """Write a block, or read one in place of this empty one."""
    found = Block(final=bool(bits.number(1, block.final)), kind=bits.number(2, block.kind))
    if found.kind == STORED:
        found.padding = bits.number(bits.free, block.padding)
        size = bits.number(16, len(block.stored))
        bits.number(16, size ^ 0xFFFF)
        found.stored = bits.number(8 * size, int.from_bytes(block.stored, "little")).to_bytes(size, "little")
        return found
    literals, distances = _FIXED
    if found.kind == DYNAMIC:
        found.header, literals, distances = _transfer_header(bits, block.header)
    for said, far in chain(block.tokens, repeat((END, 1))):
        value = bits.coded(literals, LITERALS, said)
        if value == END:
            break
        found.tokens.append((value, 1 + bits.coded(distances, DISTANCES, far - 1) if value > END else 0))
    return found


def _transfer_header(bits: BitReader | BitWriter, header: bytes) -> tuple[bytes, Code, Code]:
    said = iter(header or bytes(512))
    head = [bits.number(width, next(said)) for width in (5, 5, 4)]
    sent = [next(said) for _ in range(19)]
    for symbol in ORDER[: head[2] + 4]:
        sent[symbol] = bits.number(3, sent[symbol])
    code = Code(sent)
    runs, lengths = runs_of(head, lambda: bits.coded(code, RUNS, next(said)))
    return bytes([*head, *sent, *runs]), Code(lengths[: head[0] + 257]), Code(lengths[head[0] + 257 :])


def runs_of(head: Sequence[int], next_run: Callable[[], int]) -> tuple[list[int], list[int]]:
    """The runs of a header, and the code lengths that they give (DEFLATE.md, Codes)."""
    require(head[0] <= 29 and head[1] <= 29, "too many code lengths")
    runs: list[int] = []
    lengths: list[int] = []
    while len(lengths) < head[0] + 257 + head[1] + 1:
        run = next_run()
        require(run <= 155, "a run that is none")
        require(lengths or not 16 <= run < 20, "a length repeated that is not there")
        lengths += [run] if run < 16 else [lengths[-1]] * (run - 13) if run < 20 else [0] * (run - 17)
        runs.append(run)
    require(len(lengths) == head[0] + 257 + head[1] + 1, "runs that do not add up")
    return runs, lengths


_FIXED = Code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), Code([5] * 32)


@dataclass
class Member:
    """A gzip member; `content` is its uncompressed data, `sums` are CRC-32 and size, as they are written."""

    header: bytes
    content: bytes
    sums: bytes
    blocks: list[Block] = field(default_factory=list)
    padding: int = 0


def begins_member(blob: bytes, at: int = 0) -> bool:
    """Whether a member follows another one here."""
    return len(blob) - at >= 10 and blob[at : at + 3] == b"\x1f\x8b\x08" and not blob[at + 3] & 0xE0


def sums(content: bytes) -> bytes:
    """What follows the stream of a member that holds this."""
    return zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")


def inflate(blob: bytes, at: int, window: int, limit: int = MAX_CONTENT) -> tuple[bytes, int]:
    """What a stream holds, or a byte more than the limit, and where it ends; zlib's `wbits` say what is around it."""
    unpacker, out = zlib.decompressobj(window), bytearray()
    while not unpacker.eof and len(out) <= limit:
        packed = blob[at : at + 65536]
        require(packed, "a deflate stream that is cut short")
        with refusing(zlib.error, "what does not decompress"):
            out += unpacker.decompress(packed, limit + 1 - len(out))
        at += len(packed) - len(unpacker.unconsumed_tail) - len(unpacker.unused_data)
    return bytes(out), at


def unpack(blob: bytes, limit: int) -> bytes:
    """The uncompressed data of a gzip file (FORMAT.md, Uncompressed data of a blob), or more than the limit."""
    out, at = inflate(blob, 0, 31, limit)
    while len(out) <= limit and begins_member(blob, at):
        content, at = inflate(blob, at, 31, limit - len(out))
        out += content
    return out


def parse(blob: bytes) -> tuple[list[Member], bytes]:
    """Read a gzip file into tokens, and what follows its members (DEFLATE.md, Files that are refused)."""
    members: list[Member] = []
    at = 0
    while not members or begins_member(blob, at):
        begin, at = at, header_end(blob, at)
        content, end = inflate(blob, at, -15)
        member, bits = Member(blob[begin:at], content, blob[end : end + 8]), BitReader(blob, at)
        require(len(member.sums) == 8, "a member without its sums")
        while not (member.blocks and member.blocks[-1].final):
            member.blocks.append(transfer(bits, Block()))
        member.padding, at = bits.number(bits.free), end + 8
        members.append(member)
    return members, blob[at:]


def header_end(blob: bytes, at: int) -> int:
    """Where the header of a member ends that begins here."""
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
