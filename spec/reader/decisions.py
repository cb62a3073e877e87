"""The decisions of gzip files (DEFLATE.md): four columns that, with the uncompressed data, give the exact bytes."""

from collections.abc import Iterator

from . import huffman
from .deflate import DYNAMIC, STORED, Block, Token, coded
from .gzip_file import parse, sums

FINAL, MORE, ODD = 0x04, 0x08, 0x10
PIECE, MEMBER, TRAILER, TAIL = 0x03, 0x23, 0x43, 0x63
WRITTEN = (0x04, 0x08)  # CRC-32, size
MAX_PIECE, MAX_TAIL, NO_RANK = 65536, 65536, 255

Columns = tuple[bytes, ...]  # layout, runs, sources, distances


class Ranks:
    """Matches by how many nearer places hold the same bytes (DEFLATE.md, Ranks)."""

    def __init__(self, content: bytes) -> None:
        """Link positions of equal hashes."""
        self.content = content
        newest, self.links = [0] * 32768, [0] * len(content)
        for at in range(len(content) - 3):
            slot = (int.from_bytes(content[at : at + 4], "little") * 2654435761 & 0xFFFFFFFF) >> 17
            link = at - newest[slot] & 0xFFFF
            self.links[at] = link if link <= 32768 else 0
            newest[slot] = at & 0xFFFF

    def rank(self, at: int, length: int, distance: int, begin: int) -> int:
        """The rank of a match; NO_RANK if it has none."""
        rank = 0
        for place in self._walk(at, begin):
            if place == at - distance:
                return min(rank, NO_RANK)
            rank += self._is_same(place, at, length)
        return NO_RANK

    def distance(self, at: int, length: int, rank: int, begin: int) -> int:
        """The distance of a match of this rank (IndexError if the walk does not reach it)."""
        places = [place for place in self._walk(at, begin) if self._is_same(place, at, length)]
        return at - places[rank]

    def _is_same(self, place: int, at: int, length: int) -> bool:
        return self.content[place : place + length] == self.content[at : at + length]

    def _walk(self, at: int, begin: int) -> Iterator[int]:
        place = at
        for _ in range(256):
            link = self.links[place]
            place -= link
            if not link or place < max(begin, at - 32768):
                return
            yield place


def counts_of(tokens: list[Token]) -> tuple[list[int], list[int]]:
    """How often tokens, and the end of their block, use each symbol: of literals and lengths, and of distances."""
    counts = [0] * 286, [0] * 30
    counts[0][256] = 1
    for token in tokens:
        for alphabet, symbol, _, _ in coded(token):
            counts[alphabet][symbol] += 1
    return counts


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if low == value else bytes([low | 0x80]) + _varint(value >> 7)


def _count(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes([value % 255])


class _Analyst:
    def __init__(self, blob: bytes) -> None:
        """Find the decisions of a gzip file."""
        file = parse(blob)
        self.ranks = Ranks(file.content)
        self.layout, self.runs, self.sources, self.distances = (bytearray() for _ in range(4))
        self.literals = self.expected = self.code = self.at = 0
        for member in file.members:
            self.layout += bytes([MEMBER]) + _varint(len(member.header)) + member.header
            for block in member.blocks:
                self._block(block, member.begin)
            self._trailer(member.sums, sums(file.content[member.begin : self.at]), member.padding)
        for at in range(0, len(file.tail), MAX_TAIL):
            tail = file.tail[at : at + MAX_TAIL]
            self.layout += bytes([TAIL]) + _varint(len(tail)) + tail
        self.runs += _count(self.literals)
        self.sources += _count(self.expected)

    def _trailer(self, written: bytes, right: bytes, padding: int) -> None:
        other = [at for at in (0, 4) if written[at : at + 4] != right[at : at + 4]]
        self.layout.append(TRAILER | sum(WRITTEN[at // 4] for at in other) | (ODD if padding else 0))
        self.layout += bytes([padding] if padding else [])
        for at in other:
            self.layout += written[at : at + 4]

    def _block(self, block: Block, begin: int) -> None:
        layout, tokens = self.layout, block.tokens
        tag = block.kind | (FINAL if block.final else 0)
        if block.kind == STORED:
            layout.append(tag | (ODD if block.padding else 0))
            layout += _varint(block.size) + bytes([block.padding] if block.padding else [])
            self.at += block.size
            return
        first, code = self._find_code(block) if block.kind == DYNAMIC else (MAX_PIECE, 0)
        split = {first} if first < min(len(tokens), MAX_PIECE) else set()
        ends = [*sorted(split | set(range(MAX_PIECE, len(tokens) + 1, MAX_PIECE))), len(tokens)]
        begins = [0, *ends[:-1]]
        for number, (start, end) in enumerate(zip(begins, ends, strict=True)):
            spelled = [place for place, token in enumerate(tokens[start:end]) if token[2]]
            more = MORE if number < len(ends) - 1 else 0
            layout.append((PIECE if number else tag | code << 5) | more | (ODD if spelled else 0))
            layout += _varint(end - start)
            if spelled:
                steps = [one - last for last, one in zip([0, *spelled], spelled, strict=False)]
                layout += b"".join(map(_varint, [len(spelled), *steps]))
            if not number and not code:
                layout += block.header
        for token in tokens:
            self._token(token, begin)

    def _find_code(self, block: Block) -> tuple[int, int]:
        """How many tokens give the header of a dynamic block, and by which code; no code if none does."""
        whole = min(len(block.tokens), MAX_PIECE)
        fewer, size = {32768}, 0
        for number, (value, distance, _) in enumerate(block.tokens[:whole], 1):
            size += value if distance else 1
            if size >= 65535:
                fewer.add(number)
                break
        tries = [(whole, self.code)] if self.code else []
        for number in (whole, *sorted(number for number in fewer if number < whole)):
            tries += [(number, code) for code in range(huffman.ZLIB, huffman.KLAUSPOST_ALL + 1)]
        for number, code in tries:
            if huffman.header(code, *counts_of(block.tokens[:number])) == block.header:
                self.code = code
                return number, code
        return whole, 0

    def _token(self, token: Token, begin: int) -> None:
        length, distance, _ = token
        if not distance:
            self.literals, self.at = self.literals + 1, self.at + 1
            return
        self.runs += _count(self.literals) + bytes([length - 3])
        self.literals = 0
        rank = self.ranks.rank(self.at, length, distance, begin) if length > 3 else NO_RANK
        if rank == NO_RANK:
            self.distances += (distance - 1).to_bytes(2, "little")
        if length > 3 and rank:
            self.sources += _count(self.expected) + bytes([rank])
            self.expected = 0
        self.expected += not rank
        self.at += length


def of_file(blob: bytes) -> Columns:
    """The decisions of a gzip file (DEFLATE.md, The decisions of a file)."""
    found = _Analyst(blob)
    return bytes(found.layout), bytes(found.runs), bytes(found.sources), bytes(found.distances)
