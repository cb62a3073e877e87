"""The gzip file of uncompressed data and decisions (DEFLATE.md), bit by bit."""

from . import decisions, huffman
from .cursor import Cursor
from .decisions import FINAL, MAX_PIECE, MAX_TAIL, MEMBER, MORE, NO_RANK, ODD, PIECE, TAIL, TRAILER, WRITTEN
from .deflate import DYNAMIC, FIXED_LENGTHS, ORDER, STORED, Code, Token, coded, coded_run, codes, lengths_of, run_size
from .errors import IntegrityError, refusing, require
from .gzip_file import MAX_HEADER, sums


class _Writer:
    def __init__(self, content: bytes, columns: decisions.Columns, limit: int) -> None:
        """Begin with the first counts."""
        self.content, self.limit = content, limit
        self.ranks = decisions.Ranks(content)
        self.layout, self.runs, self.sources, self.distances = (Cursor(column) for column in columns)
        self.at = self.begin = 0
        self.out, self.held, self.bits = bytearray(), 0, 0
        self.literals, self.expected = self.runs.count(), self.sources.count()

    def write(self) -> bytes:
        """Carry out all records."""
        in_member = final = tails = False
        while self.layout.left:
            tag = self.layout.take(1)[0]
            if tag == MEMBER:
                require(not in_member and not tails, "a member within another, or behind a tail")
                self.out += self.layout.take(self.layout.varint(MAX_HEADER))
                self.begin, in_member, final = self.at, True, False
            elif tag & ~(sum(WRITTEN) | ODD) == TRAILER:
                require(in_member and final, "a trailer without the last block")
                self._trailer(tag)
                in_member = False
            elif tag == TAIL:
                require(not in_member, "a tail within a member")
                tail = self.layout.take(self.layout.varint(MAX_TAIL))
                require(tail, "an empty tail")
                self.out += tail
                tails = True
            else:
                require(in_member and not final and tag & 3 != 3, "a record that is unknown, or stands nowhere")
                self._block(tag)
                final = bool(tag & FINAL)
            require(len(self.out) <= self.limit, "more bytes than the blob has", IntegrityError)
        require(not in_member, "a member without a trailer")
        require(not self.literals and not self.expected, "decisions that are left over")
        columns = (self.runs, self.sources, self.distances)
        require(not any(column.left for column in columns), "decisions that are left over")
        require(self.at == len(self.content), "uncompressed data that is left over")
        return bytes(self.out)

    def _put(self, value: int, width: int) -> None:
        self.held |= value << self.bits
        self.bits += width
        if self.bits > 256:
            self.out += (self.held & (1 << 256) - 1).to_bytes(32, "little")
            self.held, self.bits = self.held >> 256, self.bits - 256

    def _align(self, tag: int) -> None:
        """Fill a byte, with the padding that follows in the layout if the tag says so."""
        padding, free = self.layout.take(1)[0] if tag & ODD else 0, -self.bits % 8
        require(padding >> free == 0, "padding of more bits than there are")
        self._put(padding, free)
        self.out += self.held.to_bytes(self.bits // 8, "little")
        self.held = self.bits = 0

    def _trailer(self, tag: int) -> None:
        self._align(tag)
        right = sums(self.content[self.begin : self.at])
        for at, flag in zip((0, 4), WRITTEN, strict=True):
            self.out += self.layout.take(4) if tag & flag else right[at : at + 4]

    def _block(self, tag: int) -> None:
        kind, code = tag & 3, tag >> 5
        self._put(tag >> 2 & 1, 1)
        self._put(kind, 2)
        if kind == STORED:
            require(not tag & ~(FINAL | ODD), "a record with an unknown tag")
            size = self.layout.varint(65535)
            self._align(tag)
            self.out += size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
            self.out += self.content[self.at : self.at + size]
            self.at += size
            return
        require(code <= (huffman.KLAUSPOST_ALL if kind == DYNAMIC else 0), "a record with an unknown tag")
        piece = self._piece(tag)
        header = self._explicit() if kind == DYNAMIC and not code else b""
        tokens = self._tokens(*piece)
        if code:
            header = huffman.header(code, *decisions.counts_of(tokens))
        alphabets = [codes(one) for one in (self._header(header) if header else (FIXED_LENGTHS, [5] * 30))]
        self._put_tokens(tokens, alphabets)
        while tag & MORE:
            tag = self.layout.take(1)[0]
            require(tag & ~(MORE | ODD) == PIECE, "a block without the pieces that follow")
            self._put_tokens(self._tokens(*self._piece(tag)), alphabets)
        self._put_symbol(alphabets[0], 256)

    def _piece(self, tag: int) -> tuple[int, set[int]]:
        """How many tokens a piece has, and which of them are spelled long."""
        size = self.layout.varint(MAX_PIECE)
        require(size or not tag & MORE, "an empty piece before another")
        spelled: set[int] = set()
        last = 0
        for number in range(self.layout.varint(size) if tag & ODD else 0):
            step = self.layout.varint(size)
            require(step or not number, "a spelling twice")
            last += step
            spelled.add(last)
        return size, spelled

    def _tokens(self, size: int, spelled: set[int]) -> list[Token]:
        tokens: list[Token] = []
        while len(tokens) < size:
            if self.literals:
                run = min(self.literals, size - len(tokens))
                tokens += [(literal, 0, False) for literal in self.content[self.at : self.at + run]]
                self.literals, self.at = self.literals - run, self.at + run
                continue
            length = self.runs.take(1)[0] + 3
            self.literals = self.runs.count()
            distance = self._distance(length)
            require(self.at - distance >= self.begin, "a match that reaches back before its member")
            long = len(tokens) in spelled
            require(not long or length == 258, "a long spelling of another length than 258")
            tokens.append((length, distance, long))
            self.at += length
        require(all(place < size and tokens[place][1] for place in spelled), "a spelling of no match")
        return tokens

    def _distance(self, length: int) -> int:
        rank = NO_RANK
        if length > 3 and self.expected:
            self.expected -= 1
            rank = 0
        elif length > 3:
            rank = self.sources.take(1)[0]
            require(rank, "a rank of 0 among those that are not")
            self.expected = self.sources.count()
        if rank == NO_RANK:
            distance = int.from_bytes(self.distances.take(2), "little") + 1
            require(distance <= 32768, "a distance that is none")
            return distance
        with refusing(IndexError, "a rank that the walk does not reach"):
            return self.ranks.distance(self.at, length, rank, self.begin)

    def _explicit(self) -> bytes:
        header = bytearray(self.layout.take(22))
        require(header[2] <= 15, "a header that is none")
        require(max(header[3:]) <= 7, "a code length over 7")
        left = header[0] + 257 + header[1] + 1
        while left > 0:
            header += self.layout.take(1)
            require(header[-1] <= 155, "a run that is none")
            left -= run_size(header[-1])
        return bytes(header)

    def _header(self, header: bytes) -> tuple[list[int], list[int]]:
        """Write the header of a dynamic block; the code lengths that it gives."""
        for value, width in zip(header, (5, 5, 4), strict=False):
            self._put(value, width)
        sent = header[2] + 4
        require(not any(header[3 + symbol] for symbol in ORDER[sent:]), "a length that is not sent")
        for symbol in ORDER[:sent]:
            self._put(header[3 + symbol], 3)
        code = codes(list(header[3:22]))
        for symbol, extra, width in map(coded_run, header[22:]):
            self._put_symbol(code, symbol)
            self._put(extra, width)
        return lengths_of(header)

    def _put_symbol(self, code: Code, symbol: int) -> None:
        require(symbol in code, "a token without a code")
        self._put(*code[symbol])

    def _put_tokens(self, tokens: list[Token], alphabets: list[Code]) -> None:
        for token in tokens:
            for alphabet, symbol, extra, width in coded(token):
                self._put_symbol(alphabets[alphabet], symbol)
                self._put(extra, width)


def to_file(content: bytes, columns: decisions.Columns, limit: int) -> bytes:
    """The gzip file of this uncompressed data and these decisions, of at most `limit` bytes and a block."""
    return _Writer(content, columns, limit).write()
