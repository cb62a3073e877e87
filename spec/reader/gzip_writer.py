"""The gzip file of uncompressed data and decisions (DEFLATE.md), bit by bit."""

import zlib

from . import huffman
from .decisions import (
    DISTANCE_SYMBOLS,
    FINAL,
    LENGTH_SYMBOLS,
    MAX_PIECE,
    MAX_TAIL,
    MEMBER_TAG,
    MORE,
    NO_RANK,
    ODD,
    PIECE_TAG,
    TAIL_TAG,
    TRAILER_TAG,
    WRITTEN_CRC,
    WRITTEN_SIZE,
    Code,
    Columns,
    Ranks,
    symbol_counts,
)
from .delta import Cursor
from .errors import FormatError, IntegrityError, require
from .gzip_file import DISTANCES, DYNAMIC, FIXED_LENGTHS, LENGTHS, ORDER, STORED, Match, codes, len_of_run, lengths_of


class _Writer:
    def __init__(self, content: bytes, columns: Columns, limit: int) -> None:
        self.content, self.limit = content, limit
        self.ranks = Ranks(content)
        self.layout, self.runs, self.sources, self.distances = (Cursor(column) for column in columns)
        self.at = self.begin = 0
        self.out, self.held, self.bits = bytearray(), 0, 0
        self.literals = _take_count(self.runs)
        self.expected = _take_count(self.sources)

    def write(self) -> bytes:
        in_member = final = tails = False
        while self.layout.left:
            tag = self.layout.take(1)[0]
            if tag == MEMBER_TAG:
                require(not in_member and not tails, "a member within another, or behind a tail")
                self.out += self.layout.take(self._varint(1 << 20))
                self.begin, in_member, final = self.at, True, False
            elif tag & ~(WRITTEN_CRC | WRITTEN_SIZE | ODD) == TRAILER_TAG:
                require(in_member and final, "a trailer without the last block")
                self._trailer(tag)
                in_member = False
            elif tag == TAIL_TAG:
                require(not in_member, "a tail within a member")
                tail = self.layout.take(self._varint(MAX_TAIL))
                require(tail, "an empty tail")
                self.out += tail
                tails = True
            else:
                require(in_member and not final and tag & 3 != 3, "a record that is unknown, or stands nowhere")
                self._block(tag)
                final = bool(tag & FINAL)
            if len(self.out) > self.limit:
                raise IntegrityError("more bytes than the blob has")
        require(not in_member, "a member without a trailer")
        require(not self.literals and not self.expected, "decisions that are left over")
        columns = (self.runs, self.sources, self.distances)
        require(not any(column.left for column in columns), "decisions that are left over")
        require(self.at == len(self.content), "uncompressed data that is left over")
        return bytes(self.out)

    def _varint(self, limit: int) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.layout.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise FormatError("a number of more than five bytes")
        require(value <= limit, "a number over its limit")
        return value

    def _put(self, value: int, width: int) -> None:
        self.held |= value << self.bits
        self.bits += width
        if self.bits > 256:
            self.out += (self.held & (1 << 256) - 1).to_bytes(32, "little")
            self.held >>= 256
            self.bits -= 256

    def _align(self, padding: int) -> None:
        free = -self.bits % 8
        require(padding >> free == 0, "padding of more bits than there are")
        self._put(padding, free)
        self.out += self.held.to_bytes(self.bits // 8, "little")
        self.held = self.bits = 0

    def _trailer(self, tag: int) -> None:
        self._align(self.layout.take(1)[0] if tag & ODD else 0)
        content = self.content[self.begin : self.at]
        for flag, right in ((WRITTEN_CRC, zlib.crc32(content)), (WRITTEN_SIZE, len(content) % 2**32)):
            self.out += self.layout.take(4) if tag & flag else right.to_bytes(4, "little")

    def _block(self, tag: int) -> None:
        kind = tag & 3
        self._put(tag >> 2 & 1, 1)
        self._put(kind, 2)
        if kind == STORED:
            require(not tag & ~(FINAL | ODD), "a record with an unknown tag")
            size = self._varint(65535)
            self._align(self.layout.take(1)[0] if tag & ODD else 0)
            self.out += size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
            self.out += self.content[self.at : self.at + size]
            self.at += size
            return
        code = tag >> 5
        require(code <= (4 if kind == DYNAMIC else 0), "a record with an unknown tag")
        size, spelled = self._piece(tag)
        parts = FIXED_LENGTHS, [5] * 30
        explicit = self._explicit() if kind == DYNAMIC and not code else b""
        tokens = self._tokens(size, spelled)
        if kind == DYNAMIC:
            header = explicit or huffman.header(code, *symbol_counts(tokens))
            parts = self._header(header)
        literals, distances = map(codes, parts)
        while True:
            self._put_tokens(tokens, literals, distances)
            if not tag & MORE:
                break
            tag = self.layout.take(1)[0]
            require(tag & ~(MORE | ODD) == PIECE_TAG, "a block without the pieces that follow")
            tokens = self._tokens(*self._piece(tag))
        self._put_symbol(literals, 256)

    def _piece(self, tag: int) -> tuple[int, set[int]]:
        size = self._varint(MAX_PIECE)
        require(size or not tag & MORE, "an empty piece before another")
        spelled: set[int] = set()
        last = 0
        for number in range(self._varint(size) if tag & ODD else 0):
            step = self._varint(size)
            require(step or not number, "a spelling twice")
            last += step
            spelled.add(last)
        return size, spelled

    def _tokens(self, size: int, spelled: set[int]) -> list[int | Match]:
        tokens: list[int | Match] = []
        while len(tokens) < size:
            if self.literals:
                run = min(self.literals, size - len(tokens))
                tokens += self.content[self.at : self.at + run]
                self.literals, self.at = self.literals - run, self.at + run
                continue
            length = self.runs.take(1)[0] + 3
            self.literals = _take_count(self.runs)
            require(length <= len(self.content) - self.at, "uncompressed data that ends early")
            distance = self._distance(length)
            require(self.at - distance >= self.begin, "a match that reaches back before its member")
            long = len(tokens) in spelled
            require(not long or length == 258, "a long spelling of another length than 258")
            tokens.append((length, distance, long))
            self.at += length
        require(all(place < size and type(tokens[place]) is tuple for place in spelled), "a spelling of no match")
        return tokens

    def _distance(self, length: int) -> int:
        rank = NO_RANK
        if length > 3:
            if self.expected:
                self.expected -= 1
                rank = 0
            else:
                rank = self.sources.take(1)[0]
                require(rank, "a rank of 0 among those that are not")
                self.expected = _take_count(self.sources)
        if rank == NO_RANK:
            distance = int.from_bytes(self.distances.take(2), "little") + 1
            require(distance <= 32768, "a distance that is none")
            return distance
        return self.ranks.distance(self.at, length, rank, self.begin)

    def _explicit(self) -> bytes:
        header = bytearray(self.layout.take(22))
        require(header[2] <= 15, "a header that is none")
        require(max(header[3:]) <= 7, "a code length over 7")
        total = 0
        while total < header[0] + 257 + header[1] + 1:
            run = self.layout.take(1)[0]
            require(run <= 155, "a run that is none")
            header.append(run)
            total += len_of_run(run)
        return bytes(header)

    def _header(self, header: bytes) -> tuple[list[int], list[int]]:
        for value, width in zip(header, (5, 5, 4), strict=False):
            self._put(value, width)
        sent = ORDER[: header[2] + 4]
        require(not any(header[3 + symbol] for symbol in set(ORDER) - set(sent)), "a length that is not sent")
        for symbol in sent:
            self._put(header[3 + symbol], 3)
        code = codes(list(header[3:22]))
        for run in header[22:]:
            symbol, extra, width = huffman.symbol_of_run(run)
            self._put_symbol(code, symbol)
            self._put(extra, width)
        return lengths_of(header)

    def _put_symbol(self, code: Code, symbol: int) -> None:
        require(symbol in code, "a token without a code")
        self._put(*code[symbol])

    def _put_tokens(self, tokens: list[int | Match], literals: Code, distances: Code) -> None:
        for token in tokens:
            if type(token) is int:
                self._put_symbol(literals, token)
                continue
            length, distance, spelled = token  # type: ignore[misc] # a match
            symbol = LENGTH_SYMBOLS[length] - spelled
            self._put_symbol(literals, 257 + symbol)
            self._put(length - LENGTHS[symbol][0], LENGTHS[symbol][1])
            symbol = DISTANCE_SYMBOLS[distance]
            self._put_symbol(distances, symbol)
            self._put(distance - DISTANCES[symbol][0], DISTANCES[symbol][1])


def _take_count(column: Cursor) -> int:
    total = 0
    while (byte := column.take(1)[0]) == 255:
        total += 255
    return total + byte


def to_file(content: bytes, columns: Columns, limit: int) -> bytes:
    """The gzip file of this uncompressed data and these decisions, of at most `limit` bytes and a block.

    Raises:
        FormatError: the decisions break a rule, or do not fit the data.
        IntegrityError: the file is larger.
    """
    return _Writer(content, columns, limit).write()
