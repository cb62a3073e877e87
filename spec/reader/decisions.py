"""The decisions of gzip files (DEFLATE.md): four columns that, with the uncompressed data, give the exact bytes."""

import zlib

from . import huffman
from .errors import FormatError
from .gzip_file import (
    DISTANCES,
    DYNAMIC,
    LENGTHS,
    STORED,
    Block,
    Match,
    parse,
)

FINAL, MORE, ODD = 0x04, 0x08, 0x10
PIECE_TAG, MEMBER_TAG, TRAILER_TAG, TAIL_TAG = 0x03, 0x23, 0x43, 0x63
WRITTEN_CRC, WRITTEN_SIZE = 0x04, 0x08
MAX_PIECE, MAX_TAIL, NO_RANK = 65536, 65536, 255

Code = dict[int, tuple[int, int]]  # by symbol: bits and their number
Columns = tuple[bytes, bytes, bytes, bytes]  # layout, runs, sources, distances

LENGTH_SYMBOLS = [0] * 259
for _symbol, (_length, _extra) in enumerate(LENGTHS):
    for _at in range(_length, min(_length + (1 << _extra), 259)):
        LENGTH_SYMBOLS[_at] = _symbol
DISTANCE_SYMBOLS = [0] * 32769
for _symbol, (_length, _extra) in enumerate(DISTANCES):
    for _at in range(_length, _length + (1 << _extra)):
        DISTANCE_SYMBOLS[_at] = _symbol


class Ranks:
    """Matches by how many nearer places hold the same bytes (DEFLATE.md, Ranks)."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        newest = [0] * 32768
        self.links = links = [0] * len(content)
        for at in range(len(content) - 3):
            slot = (int.from_bytes(content[at : at + 4], "little") * 2654435761 & 0xFFFFFFFF) >> 17
            link = at - newest[slot] & 0xFFFF
            links[at] = link if link <= 32768 else 0
            newest[slot] = at & 0xFFFF

    def rank(self, at: int, length: int, distance: int, begin: int) -> int:
        """The rank of a match; NO_RANK if it has none."""
        rank = 0
        wanted = self.content[at : at + length]
        for place in self._walk(at, begin):
            if place == at - distance:
                return min(rank, NO_RANK)
            rank += self.content[place : place + length] == wanted
        return NO_RANK

    def distance(self, at: int, length: int, rank: int, begin: int) -> int:
        """The distance of a match of this rank (FormatError if the walk does not reach it)."""
        wanted = self.content[at : at + length]
        for place in self._walk(at, begin):
            if self.content[place : place + length] == wanted:
                if not rank:
                    return at - place
                rank -= 1
        raise FormatError("a rank that the walk does not reach")

    def _walk(self, at: int, begin: int) -> list[int]:
        places = []
        place, least = at, max(begin, at - 32768)
        for _ in range(256):
            link = self.links[place]
            place -= link
            if not link or place < least:
                break
            places.append(place)
        return places


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _count(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes([value % 255])


class _Analyst:
    def __init__(self, blob: bytes) -> None:
        self.file = parse(blob)
        self.ranks = Ranks(self.file.content)
        self.columns = tuple(bytearray() for _ in range(4))
        self.literals, self.expected, self.code = 0, 0, 0

    def analyse(self) -> Columns:
        layout, runs, sources, _ = self.columns
        at = 0
        for number, member in enumerate(self.file.members):
            layout += bytes([MEMBER_TAG]) + _varint(len(member.header)) + member.header
            for block in member.blocks:
                at = self._block(block, at, member.begin)
            following = self.file.members[number + 1 : number + 2]
            content = self.file.content[member.begin : following[0].begin if following else len(self.file.content)]
            sums = [(member.crc, zlib.crc32(content), WRITTEN_CRC), (member.size, len(content) % 2**32, WRITTEN_SIZE)]
            written = [(value, flag) for value, right, flag in sums if value != right]
            layout.append(TRAILER_TAG + sum(flag for _, flag in written) + (ODD if member.padding else 0))
            layout += bytes([member.padding] if member.padding else [])
            for value, _ in written:
                layout += value.to_bytes(4, "little")
        for begin in range(0, len(self.file.tail), MAX_TAIL):
            tail = self.file.tail[begin : begin + MAX_TAIL]
            layout += bytes([TAIL_TAG]) + _varint(len(tail)) + tail
        runs += _count(self.literals)
        sources += _count(self.expected)
        return tuple(map(bytes, self.columns))  # type: ignore[return-value] # there are four

    def _block(self, block: Block, at: int, begin: int) -> int:
        layout = self.columns[0]
        tag = block.kind | (FINAL if block.final else 0)
        if block.kind == STORED:
            layout.append(tag | (ODD if block.padding else 0))
            layout += _varint(block.size) + bytes([block.padding] if block.padding else [])
            return at + block.size
        tokens = block.tokens
        first, code = MAX_PIECE, 0
        if block.kind == DYNAMIC:
            first, code = self._find_code(block)
        ends = [min(first, MAX_PIECE)] if first < min(len(tokens), MAX_PIECE) else []
        ends += list(range(MAX_PIECE, len(tokens) + 1, MAX_PIECE))
        ends.append(len(tokens))
        before = 0
        for end in ends:
            piece = tokens[before:end]
            spelled = [place for place, token in enumerate(piece) if type(token) is tuple and token[2]]
            more = MORE if end is not ends[-1] else 0
            layout.append((tag | code << 5 if not before else PIECE_TAG) | more | (ODD if spelled else 0))
            layout += _varint(len(piece))
            if spelled:
                layout += _varint(len(spelled))
                layout += b"".join(_varint(one - last) for last, one in zip([0, *spelled], spelled, strict=False))
            if not before and block.kind == DYNAMIC and not code:
                layout += block.header
            before = end
        for token in tokens:
            at = self._token(token, at, begin)
        return at

    def _find_code(self, block: Block) -> tuple[int, int]:
        """How many tokens give the header of a dynamic block, and by which code; no code if none does."""
        whole = min(len(block.tokens), MAX_PIECE)
        fewer = {32768}
        size = 0
        for number, token in enumerate(block.tokens[:whole]):
            size += token[0] if type(token) is tuple else 1
            if size >= 65535:
                fewer.add(number + 1)
                break
        tries = [(whole, self.code)] if self.code else []
        numbers = [whole, *sorted(number for number in fewer if number < whole)]
        tries += [(number, code) for number in numbers for code in (1, 2, 3, 4)]
        for number, code in tries:
            if huffman.header(code, *symbol_counts(block.tokens[:number])) == block.header:
                self.code = code
                return number, code
        return whole, 0

    def _token(self, token: int | Match, at: int, begin: int) -> int:
        _, runs, sources, distances = self.columns
        if type(token) is int:
            self.literals += 1
            return at + 1
        length, distance, _ = token  # type: ignore[misc] # a match
        runs += _count(self.literals) + bytes([length - 3])
        self.literals = 0
        rank = self.ranks.rank(at, length, distance, begin) if length > 3 else NO_RANK
        if rank == NO_RANK:
            distances += (distance - 1).to_bytes(2, "little")
        if length > 3 and not rank:
            self.expected += 1
        elif length > 3:
            sources += _count(self.expected) + bytes([rank])
            self.expected = 0
        return at + length


def symbol_counts(tokens: list[int | Match]) -> tuple[list[int], list[int]]:
    """How often the tokens of a block, and its end, use each symbol: of literals and lengths, and of distances."""
    literals, distances = [0] * 286, [0] * 30
    literals[256] = 1
    for token in tokens:
        if type(token) is int:
            literals[token] += 1
        else:
            length, distance, spelled = token  # type: ignore[misc] # a match
            literals[257 + LENGTH_SYMBOLS[length] - spelled] += 1
            distances[DISTANCE_SYMBOLS[distance]] += 1
    return literals, distances


def of_file(blob: bytes) -> Columns:
    """The decisions of a gzip file (DEFLATE.md, The decisions of a file).

    Raises:
        FormatError: it is none, or refused.
    """
    return _Analyst(blob).analyse()
