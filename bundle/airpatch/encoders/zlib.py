"""zlib, GNU gzip and pigz, as Python, the JDK (jib), libarchive (bazel) and Debian write layers.

Match search is in zlib_match; here is what `trees.c` (Jean-loup Gailly) makes of the tokens, and how a
pigz block ends (`pigz.c`, Mark Adler, zlib licence). The system's zlib is not used: it may be zlib-ng or
another one that decides otherwise.
"""

from __future__ import annotations

from array import array

from airpatch.deflate.blocks import BlockWriter, body_bits, count_symbols
from airpatch.deflate.header import zlib_header
from airpatch.deflate.huffman import zlib_lengths
from airpatch.deflate.tables import FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS, MAX_BITS
from airpatch.encoders.zlib_match import ZlibMatcher

PIGZ_BLOCK = 128 << 10
PIGZ_DICTIONARY = 32 << 10
_FLUSH = 1 << 15
"""Steps that a flush counts as, which takes a third of their time: content has one in 4096 bytes, not in five."""
_EMPTY_FIXED = 0b10  # ten bits: not final, fixed code, end of block


class ZlibDeflater:
    """Output does not depend on how the uncompressed data is cut into pieces."""

    def __init__(self, matcher: ZlibMatcher) -> None:
        self._matcher = matcher
        self._writer = BlockWriter()
        self._flushes = 0

    @property
    def steps(self) -> int:
        """The steps that the search and its flushes have taken."""
        return self._matcher.steps + _FLUSH * self._flushes

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            taken = self._matcher.fill(view)
            if not taken:
                self._drain(final=False, finish=False)
            view = view[taken:]
        return self._writer.take()

    def finish(self, flushed: bool = False) -> bytes:
        """Return the last compressed bytes, `flushed` after Z_SYNC_FLUSH."""
        if flushed:
            self._drain(final=True, finish=False)
            self._matcher.go_on()
            self._writer.stored(b"")
        self._drain(final=True, finish=True)
        self._writer.pad()
        return self._writer.take()

    def flush(self) -> bytes:
        """End the blocks so far as pigz does, and the output at a byte."""
        self._flushes += 1
        self._drain(final=True, finish=False)
        self._matcher.go_on()
        if self._writer.pending & 1:
            self._writer.stored(b"")
        while self._writer.pending:
            self._writer.bits(_EMPTY_FIXED, 10)
        return self._writer.take()

    def _drain(self, final: bool, finish: bool) -> None:
        while (tokens := self._matcher.next_block(final)) is not None:
            last = finish and self._matcher.last
            if tokens or last:
                write_smallest(self._writer, tokens, self._matcher.source, last)


def write_smallest(writer: BlockWriter, tokens: array[int], source: memoryview | None, last: bool) -> None:
    """Write the kind of block that takes the fewest bytes (`_tr_flush_block`)."""
    literals, distances = count_symbols(tokens)
    lengths = zlib_lengths(literals, MAX_BITS), zlib_lengths(distances, MAX_BITS)
    header = zlib_header(*lengths)
    dynamic = (3 + header.bits + body_bits(literals, distances, *lengths) + 7) >> 3
    fixed = (3 + body_bits(literals, distances, FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS) + 7) >> 3
    if source is not None and len(source) + 4 <= min(dynamic, fixed):
        writer.stored(bytes(source), last)
    elif fixed <= dynamic:
        writer.fixed(tokens, last)
    else:
        writer.dynamic(tokens, header, last)
