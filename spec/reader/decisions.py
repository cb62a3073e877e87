"""The decisions of gzip files (DEFLATE.md): four columns that, with the uncompressed data, give the exact bytes."""

from collections.abc import Iterator
from itertools import accumulate, islice, pairwise

from . import deflate, huffman
from .cursor import Cursor
from .deflate import DYNAMIC, ORDER, SPELLED, STORED, BitWriter, Block, Member, Token, counts_of, length_of, sums
from .errors import IntegrityError, require

FINAL, MORE, ODD = 0x04, 0x08, 0x10
PIECE, MEMBER, TRAILER, TAIL = 0x03, 0x23, 0x43, 0x63
WRITTEN = ((0x04, slice(0, 4)), (0x08, slice(4, 8)))  # CRC-32 and size in a trailer
MAX_PIECE, MAX_TAIL, NO_RANK = 65536, 65536, 255
FIRST_TOKENS, FIRST_BYTES = 32768, 65535  # of a first piece, and of what it stands for

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

    def places(self, at: int, length: int, begin: int) -> Iterator[int]:
        """Where a walk in a member that begins at `begin` sees the same bytes, the nearest place first."""
        place, same = at, self.content[at : at + length]
        for _ in range(256):
            link = self.links[place]
            place -= link
            if not link or place < max(begin, at - 32768):
                return
            if self.content.startswith(same, place):
                yield place

    def rank(self, at: int, length: int, distance: int, begin: int) -> int:
        """The rank of a match; NO_RANK if it has none."""
        places = enumerate(self.places(at, length, begin))
        return next((min(rank, NO_RANK) for rank, place in places if place == at - distance), NO_RANK)


def of_file(blob: bytes) -> Columns:
    """The decisions of a gzip file (DEFLATE.md, The decisions of a file)."""
    members, tail = deflate.parse(blob)
    layout, code = bytearray(), 0
    for member in members:
        layout += bytes([MEMBER]) + _sized(member.header)
        for block in member.blocks:
            first, found = _find_code(block, code)
            layout += _records(block, first, found)
            code = found or code
        right = sums(member.content)
        others = [(flag, member.sums[part]) for flag, part in WRITTEN if member.sums[part] != right[part]]
        layout += bytes([TRAILER | sum(flag for flag, _ in others) | (ODD if member.padding else 0)])
        layout += _padding(member.padding) + b"".join(written for _, written in others)
    for at in range(0, len(tail), MAX_TAIL):
        layout += bytes([TAIL]) + _sized(tail[at : at + MAX_TAIL])
    return bytes(layout), *_matches(members)


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if low == value else bytes([low | 0x80]) + _varint(value >> 7)


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _padding(bits: int) -> bytes:
    return bytes([bits]) if bits else b""


def _count(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes([value % 255])


def _find_code(block: Block, last: int) -> tuple[int, int]:
    """How many tokens the first piece has, and the code that gives the header by them; 0 if none does."""
    whole = min(len(block.tokens), MAX_PIECE)
    if block.kind != DYNAMIC:
        return whole, 0
    sizes = accumulate(map(length_of, block.tokens[:whole]))
    filled = next((number for number, size in enumerate(sizes, 1) if size >= FIRST_BYTES), whole)
    tries = [(whole, last)] if last else []
    for number in (whole, *sorted(number for number in {FIRST_TOKENS, filled} if number < whole)):
        tries += [(number, code) for code in range(huffman.ZLIB, huffman.KLAUSPOST_ALL + 1)]
    made = (one for one in tries if huffman.header(one[1], *counts_of(block.tokens[: one[0]])) == block.header)
    return next(made, (whole, 0))


def _records(block: Block, first: int, code: int) -> bytes:
    """The records of a block, of whose tokens the first piece has so many."""
    tag, tokens, records = block.kind | (FINAL if block.final else 0), block.tokens, b""
    if block.kind == STORED:
        tag |= ODD if block.padding else 0
        return bytes([tag]) + _varint(len(block.stored)) + _padding(block.padding)
    ends = {first} - {len(tokens)} | set(range(MAX_PIECE, len(tokens) + 1, MAX_PIECE))
    pieces = list(pairwise([0, *sorted(ends), len(tokens)]))
    for number, (begin, end) in enumerate(pieces, 1):
        spelled = [place for place, token in enumerate(tokens[begin:end]) if token[0] == SPELLED]
        steps = [one - last for last, one in pairwise([0, *spelled])]
        tag = PIECE if begin else tag | code << 5
        records += bytes([tag | (MORE if number < len(pieces) else 0) | (ODD if spelled else 0)])
        records += b"".join(map(_varint, [end - begin, len(spelled), *steps][: None if spelled else 1]))
        records += block.header if not (begin or code) else b""
    return records


def _matches(members: list[Member]) -> tuple[bytes, bytes, bytes]:
    """The columns of tokens: runs, sources, distances."""
    runs, sources, distances = bytearray(), bytearray(), bytearray()
    ranks = Ranks(b"".join(member.content for member in members))
    literals = expected = at = begin = 0
    for member in members:
        for block in member.blocks:
            at += len(block.stored)
            for token in block.tokens:
                length, distance = length_of(token), token[1]
                if distance:
                    runs += _count(literals) + bytes([length - 3])
                    rank = ranks.rank(at, length, distance, begin) if length > 3 else NO_RANK
                    if rank == NO_RANK:
                        distances += (distance - 1).to_bytes(2, "little")
                    if rank and length > 3:
                        sources += _count(expected) + bytes([rank])
                        expected = 0
                    expected += not rank
                literals = 0 if distance else literals + 1
                at += length
        begin = at
    return bytes(runs + _count(literals)), bytes(sources + _count(expected)), bytes(distances)


def to_file(content: bytes, columns: Columns, limit: int) -> bytes:
    """The gzip file of this uncompressed data and these decisions, of at most `limit` bytes and a block."""
    return _Maker(content, columns, limit).make()


class _Maker:
    def __init__(self, content: bytes, columns: Columns, limit: int) -> None:
        """Begin with the columns."""
        self.content, self.limit, self.ranks = content, limit, Ranks(content)
        self.layout, self.runs, self.sources, self.distances = map(Cursor, columns)
        self.at = self.begin = 0
        self.bits, self.tokens = BitWriter(), self._all_tokens()

    def make(self) -> bytes:
        """Carry out all records: members, then tails."""
        while self._is_next(MEMBER):
            self.bits.out += self.layout.take(self.layout.varint(deflate.MAX_HEADER))
            self.begin = self.at
            while not self._block():
                pass
            self._trailer()
        while self._is_next(TAIL):
            tail = self.layout.take(self.layout.varint(MAX_TAIL))
            require(tail, "an empty tail")
            self.bits.out += tail
        require(not self.layout.left, "a record that is unknown, or stands nowhere")
        require(self.at == len(self.content), "uncompressed data that is left over")
        next(self.tokens, None)  # there is nothing that one could be made of, and they have their end
        return bytes(self.bits.out)

    def _is_next(self, tag: int) -> bool:
        """Whether a record with this tag comes next, whose tag is taken."""
        is_next = self.layout.data.startswith(bytes([tag]), self.layout.at)
        self.layout.at += is_next
        return is_next

    def _block(self) -> bool:
        """Write a block; whether it is the last one of its member."""
        tag = self.layout.byte()
        block = Block(tag & 3, bool(tag & FINAL))
        if block.kind == STORED:
            require(not tag & ~(FINAL | ODD), "a record with an unknown tag")
            size = self.layout.varint(65535)
            block.padding = self.layout.byte() if tag & ODD else 0
            block.stored = self._content(size)
        else:
            code, most = tag >> 5, huffman.KLAUSPOST_ALL if block.kind == DYNAMIC else 0
            require(block.kind <= DYNAMIC and code <= most, "a record that is unknown, or stands nowhere")
            block.tokens = self._piece(tag)
            if block.kind == DYNAMIC:
                block.header = huffman.header(code, *counts_of(block.tokens)) if code else self._explicit()
            while tag & MORE:
                tag = self.layout.byte()
                require(tag & ~(MORE | ODD) == PIECE, "a block without the pieces that follow")
                block.tokens += self._piece(tag)
        deflate.transfer(self.bits, block)
        require(len(self.bits.out) <= self.limit, "more bytes than the blob has", IntegrityError)
        return block.final

    def _trailer(self) -> None:
        tag, right = self.layout.byte(), sums(self.content[self.begin : self.at])
        require(tag & ~(sum(flag for flag, _ in WRITTEN) | ODD) == TRAILER, "a member without a trailer")
        self.bits.number(self.bits.free, self.layout.byte() if tag & ODD else 0)
        for flag, part in WRITTEN:
            self.bits.out += self.layout.take(4) if tag & flag else right[part]

    def _explicit(self) -> bytes:
        header = self.layout.take(22)
        require(not any(header[3 + symbol] for symbol in ORDER[header[2] + 4 :]), "a length that is not sent")
        return header + bytes(deflate.runs_of(header, self.layout.byte)[0])

    def _piece(self, tag: int) -> list[Token]:
        """The tokens of a piece."""
        size, last = self.layout.varint(MAX_PIECE), 0
        require(size or not tag & MORE, "an empty piece before another")
        tokens = list(islice(self.tokens, size))
        require(len(tokens) == size, "tokens that are not there")
        for number in range(self.layout.varint(size) if tag & ODD else 0):
            step = self.layout.varint(size)
            require(step or not number, "a spelling twice")
            last += step
            require(last < size and tokens[last][0] == SPELLED + 1, "a long spelling of what is no match of 258 bytes")
            tokens[last] = SPELLED, tokens[last][1]
        return tokens

    def _content(self, size: int) -> bytes:
        """The next bytes of the uncompressed data."""
        require(size <= len(self.content) - self.at, "uncompressed data that is not there")
        self.at += size
        return self.content[self.at - size : self.at]

    def _all_tokens(self) -> Iterator[Token]:
        """The tokens of all members (DEFLATE.md, runs, sources, distances)."""
        expected = self.sources.count()
        while True:
            for _ in range(self.runs.count()):
                yield self._content(1)[0], 0
            if not self.runs.left:
                break
            length, rank = self.runs.byte() + 3, NO_RANK
            if length > 3 and expected:
                expected, rank = expected - 1, 0
            elif length > 3:
                rank = self.sources.byte()
                require(rank, "a rank of 0 among those that are not")
                expected = self.sources.count()
            if rank == NO_RANK:
                distance = int.from_bytes(self.distances.take(2), "little") + 1
                require(distance <= 32768, "a distance that is none")
            else:
                place = next(islice(self.ranks.places(self.at, length, self.begin), rank, None), None)
                require(place is not None, "a rank that the walk does not reach")
                distance = self.at - (place or 0)
            require(self.at - distance >= self.begin, "a match that reaches back before its member")
            self._content(length)
            yield (length + 254 if length < 258 else SPELLED + 1), distance
        require(not (expected or self.sources.left or self.distances.left), "decisions that are left over")
