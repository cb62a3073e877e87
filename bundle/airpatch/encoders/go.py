"""Go's compress/flate up to Go 1.26, levels 1 to 9, as docker, BuildKit, kaniko, crane and ko write layers.

Match search is in go_match and go_fast; here is what `huffman_bit_writer.go` and `deflate.go` (the Go
authors, BSD) make of the tokens: which kind of block, and how the stream ends. Go 1.27 has klauspost's
encoder instead.
"""

from __future__ import annotations

from array import array

from airpatch.deflate.blocks import BlockWriter, body_bits, count_symbols
from airpatch.deflate.header import go_dynamic
from airpatch.deflate.tables import FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS, MAX_STORED
from airpatch.encoders.go_fast import BLOCK, FastMatcher
from airpatch.encoders.go_match import SEARCHES, ChainMatcher
from airpatch.encoders.literals import literal_tokens
from airpatch.encoders.precedent import Precedent


class GoDeflater:
    """Levels 2 to 9, from 4 on with a `precedent`. Output does not depend on how the input is cut into pieces."""

    def __init__(self, level: int, precedent: Precedent | None = None) -> None:
        self._matcher = ChainMatcher(SEARCHES[level], precedent)
        self._writer = BlockWriter()

    @property
    def steps(self) -> int:
        """The steps that the search has taken."""
        return self._matcher.steps

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            taken = self._matcher.fill(view)
            if not taken:
                self._drain(False)
            view = view[taken:]
        return self._writer.take()

    def finish(self, flushed: bool = False) -> bytes:
        """Return the last compressed bytes, `flushed` after `Flush`."""
        self._drain(True)
        if flushed:
            self._writer.stored(b"")
        self._writer.stored(b"", final=True)
        return self._writer.take()

    def _drain(self, final: bool) -> None:
        while tokens := self._matcher.next_block(final):
            _smallest(self._writer, tokens, self._matcher.source)


class GoFastDeflater:
    """Level 1. Output does not depend on how the input is cut into pieces."""

    steps = 0
    """Each byte takes about as long as any other."""

    def __init__(self) -> None:
        self._matcher = FastMatcher()
        self._writer = BlockWriter()

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            taken = self._matcher.fill(view)
            view = view[taken:]
            if len(self._matcher.source) == BLOCK:
                self._block()
                self._matcher.next()
        return self._writer.take()

    def finish(self, flushed: bool = False) -> bytes:
        """Return the last compressed bytes, `flushed` after `Flush`."""
        source = self._matcher.source
        if len(source) >= 128:
            self._block()
        elif len(source) > 16:
            _dynamic_or_stored(self._writer, literal_tokens(bytes(source)), source)
        elif source:
            self._writer.stored(bytes(source))
        if flushed:
            self._writer.stored(b"")
        self._writer.stored(b"", final=True)
        return self._writer.take()

    def _block(self) -> None:
        source = self._matcher.source
        tokens = self._matcher.tokens()
        if len(tokens) > len(source) - (len(source) >> 4):
            tokens = literal_tokens(bytes(source))
        _dynamic_or_stored(self._writer, tokens, source)


def _smallest(writer: BlockWriter, tokens: array[int], source: memoryview | None) -> None:
    """Write the smallest kind of block (`writeBlock`); a stored one needs the uncompressed data at hand."""
    literals, distances = count_symbols(tokens)
    if not any(distances):
        distances[0] = 1  # Go lets a code of no distances weigh a bit
    header = go_dynamic(literals, distances)
    dynamic_bits = header.bits + body_bits(literals, distances, *header.lengths())
    fixed_bits = body_bits(literals, distances, FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS)
    best_bits = 3 + min(dynamic_bits, fixed_bits)
    if source is not None and len(source) <= MAX_STORED and 8 * (len(source) + 5) < best_bits:
        writer.stored(bytes(source))
    elif dynamic_bits < fixed_bits:
        writer.dynamic(tokens, header)
    else:
        writer.fixed(tokens)


def _dynamic_or_stored(writer: BlockWriter, tokens: array[int], source: memoryview) -> None:
    """Write a dynamic block unless that saves less than a 16th; extra bits are not weighed.

    This is `writeBlockDynamic`, and `writeBlockHuff` for a block of literals.
    """
    literals, distances = count_symbols(tokens)
    if not any(distances):
        distances[0] = 1
    header = go_dynamic(literals, distances)
    literal_lengths, distance_lengths = header.lengths()
    bits = 3 + header.bits
    bits += sum(map(int.__mul__, literals, literal_lengths))
    bits += sum(map(int.__mul__, distances, distance_lengths))
    if 8 * (len(source) + 5) < bits + (bits >> 4):
        writer.stored(bytes(source))
    else:
        writer.dynamic(tokens, header)
