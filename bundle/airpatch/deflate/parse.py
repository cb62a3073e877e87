"""A gzip file split into uncompressed data and the decisions that make its exact bytes (RFC 1951, RFC 1952).

`GzipParser` takes the file in pieces and gives uncompressed data and columns in pieces; whatever the file's size, it
holds a few MiB. `airpatch.deflate.emit` is its inverse. Decisions are four columns of bytes, defined in
spec/DEFLATE.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from airpatch.deflate.blocks import count_symbols, long_matches, tokens_within
from airpatch.deflate.decompressor import crc32
from airpatch.deflate.gzip import FIXED_HEADER, header_size, may_begin_member
from airpatch.deflate.header import DynamicHeader, go_header, zlib_header
from airpatch.deflate.inflate import Block, Inflater, Status
from airpatch.deflate.layout_column import (
    OTHER,
    PIECE,
    TAIL_PIECE,
    BlockPiece,
    Code,
    MemberStart,
    Record,
    Tail,
    Trailer,
    compute_header,
    write_record,
)
from airpatch.deflate.matches import TokenEncoder
from airpatch.deflate.tables import DISTANCES, DYNAMIC, LITERALS, STORED
from airpatch.errors import FormatError

# klauspost/compress cuts its input into pieces of 65535 bytes (levels 1 to 6) or 32768 tokens (7 to 9), and
# keeps on using a piece's code for the next ones, in the same block, while that is cheaper than a new one.
_PREFIX_BYTES = 0xFFFF
_PREFIX_TOKENS = 1 << 15


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a stretch of the file stands for: some uncompressed data, and what the four columns grow by."""

    uncompressed: bytes = b""
    layout: bytes = b""
    runs: bytes = b""
    sources: bytes = b""
    distances: bytes = b""


# A step of the machine: a part, or None where it needs input.
_Steps = Generator[Parsed | None, None, None]


class GzipParser:
    """Splits a gzip file. `limit` is the most uncompressed data, in bytes, that it may hold."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._size = 0  # bytes of uncompressed data so far
        self._inflater = Inflater()
        self._encoder = TokenEncoder()
        self._ended = False
        self._likely = Code.EXPLICIT  # the way that the last code was computed
        self._steps = self._file()

    def feed(self, data: bytes) -> Iterator[Parsed]:
        """Take further bytes of the file, and give the parts they hold; all must be taken before the next
        call.

        Raises FormatError if the file is not gzip, not valid deflate, or holds more than `limit` bytes.
        """
        self._inflater.feed(data)
        while (part := next(self._steps, None)) is not None:
            yield part

    def close(self) -> Iterator[Parsed]:
        """Take note of the end of the file, and give the last parts.

        Raises FormatError if it is cut short.
        """
        self._ended = True
        yield from self.feed(b"")

    def _input(self) -> _Steps:
        """Wait for input. Raises FormatError if there is none."""
        if self._ended:
            raise FormatError("gzip file is cut short")
        yield None

    def _file(self) -> _Steps:
        yield from self._member()
        while True:
            start = self._inflater.read(FIXED_HEADER)
            self._inflater.unread(len(start))
            if len(start) < FIXED_HEADER and not self._ended:
                yield None
            elif len(start) == FIXED_HEADER and may_begin_member(start):
                yield from self._member()
            else:
                break
        tail = b""
        while True:
            data = self._inflater.read(TAIL_PIECE - len(tail))
            tail += data
            if len(tail) == TAIL_PIECE or (self._ended and tail and not data):
                yield _part(Tail(tail))
                tail = b""
            elif not data and self._ended:
                break
            elif not data:
                yield None
        runs, sources = self._encoder.finish()
        yield Parsed(runs=runs, sources=sources)

    def _member(self) -> _Steps:
        header = b""
        while (size := header_size(header)) is None:
            data = self._inflater.read(1 << 12)
            if not data:
                yield from self._input()
            header += data
        self._inflater.unread(len(header) - size)
        yield _part(MemberStart(header[:size]))
        self._inflater.restart()
        self._encoder.restart()
        crc = 0
        start = self._size
        while True:
            while (block := self._inflater.block()) is None:
                yield from self._input()
            for part in self._block(block):
                if part is not None:
                    crc = crc32(part.uncompressed, crc)
                yield part
            if block.final:
                break
        padding = self._inflater.align()
        trailer = b""
        while len(trailer) < 8:
            data = self._inflater.read(8 - len(trailer))
            if not data:
                yield from self._input()
            trailer += data
        told_crc = int.from_bytes(trailer[:4], "little")
        told_size = int.from_bytes(trailer[4:], "little")
        size = (self._size - start) & 0xFFFFFFFF
        crc_or_none = None if told_crc == crc else told_crc
        yield _part(Trailer(padding, crc_or_none, None if told_size == size else told_size))

    def _block(self, block: Block) -> _Steps:
        if block.kind == STORED:
            yield _part(BlockPiece(STORED, block.size, block.final, padding=block.padding))
        tokens = array("I")
        first = True
        while True:
            status = self._inflater.run(PIECE - len(tokens))
            decoded = self._inflater.tokens()
            uncompressed = self._inflater.uncompressed()
            self._size += len(uncompressed)
            if self._limit is not None and self._size > self._limit:
                raise FormatError(f"gzip file holds more than {self._limit} bytes")
            if block.kind == STORED:
                self._encoder.skip(uncompressed)
                yield Parsed(uncompressed)
            elif decoded:
                yield Parsed(uncompressed, b"", *self._encoder.add(uncompressed, decoded))
                tokens.extend(decoded)
            if status is Status.HUNGRY:
                yield from self._input()
                continue
            done = status is Status.DONE
            if block.kind != STORED and (done or len(tokens) == PIECE):
                yield _part(*self._pieces(block, tokens, first, more=not done))
                del tokens[:]
                first = False
            if done:
                return

    def _pieces(self, block: Block, tokens: array[int], first: bool, more: bool) -> list[BlockPiece]:
        """Return the records of some tokens: one, or two if the code was made for a part of them."""
        kind = block.kind if first else OTHER
        final = block.final and first
        code = Code.EXPLICIT
        header = None
        cut = len(tokens)
        if kind == DYNAMIC and block.header is not None:
            code, cut = self._find_code(block.header, tokens)
            header = block.header if code is Code.EXPLICIT else None
        long = long_matches(tokens)
        pieces = [BlockPiece(kind, cut, final, more, 0, [i for i in long if i < cut], code, header)]
        if cut < len(tokens):
            pieces = [
                BlockPiece(kind, cut, final, True, 0, [i for i in long if i < cut], code, header),
                BlockPiece(OTHER, len(tokens) - cut, more=more, long=[i - cut for i in long if i >= cut]),
            ]
        return pieces

    def _find_code(self, header: DynamicHeader, tokens: array[int]) -> tuple[Code, int]:
        """Return how the header was computed, and from how many of the tokens."""
        counts = count_symbols(tokens)
        if self._likely and compute_header(self._likely, *counts) == header:
            return self._likely, len(tokens)
        families = _families(header)
        for cut in [len(tokens), *_prefixes(tokens)] if families else []:
            if cut < len(tokens):
                counts = count_symbols(tokens[:cut])
            for code in families:
                if compute_header(code, *counts) == header:
                    self._likely = code
                    return code, cut
        return Code.EXPLICIT, len(tokens)


def _families(header: DynamicHeader) -> list[Code]:
    """Return the ways to compute a header that would spell its code lengths as it does."""
    lengths = header.lengths()
    families = []
    if header == zlib_header(*lengths):
        families.append(Code.ZLIB)
    if header == go_header(*lengths):
        families.append(Code.GO)
    sizes = (header.literal_count, header.distance_count)
    if sizes == (LITERALS, DISTANCES) and header == go_header(*lengths, trim=False):
        families += [Code.GO_WIDE, Code.GO_FILLED]
    return families


def _part(*records: Record) -> Parsed:
    return Parsed(layout=b"".join(map(write_record, records)))


def _prefixes(tokens: array[int]) -> list[int]:
    """Return where the token sequence may have been cut by an encoder that reuses codes."""
    cuts = {min(len(tokens), _PREFIX_TOKENS), tokens_within(tokens, _PREFIX_BYTES)}
    return sorted(cuts - {len(tokens)})
