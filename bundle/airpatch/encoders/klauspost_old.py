"""Block writing of klauspost/compress flate before 1.14: 1.12.3 to 1.13.6, 1.11.13 to 1.12.2, and 1.11.3.

The decisions are those of `flate/huffman_bit_writer.go` (Klaus Post and the Go authors, BSD) in those
versions, reimplemented here. A code that may be used once more is made for all symbols, as if each occurred at
least once.
"""

from __future__ import annotations

from array import array

from airpatch.deflate.blocks import body_bits, count_symbols
from airpatch.deflate.header import go_dynamic, go_header
from airpatch.deflate.huffman import go_lengths
from airpatch.deflate.tables import END_OF_BLOCK, MAX_BITS
from airpatch.encoders.klauspost_blocks import (
    GUESSED_HEADER,
    KlauspostWriter,
    estimated_bits,
    filling_bits,
    shannon_bits,
)
from airpatch.encoders.literals import literal_tokens


class OldKlauspostWriter(KlauspostWriter):
    """1.12.3 to 1.13.6."""

    shortest_code = 1.0  # what the estimate takes for the shortest and the longest code
    longest_code = 15.0

    def tokens(self, tokens: array[int], source: bytes | None, last: bool) -> None:
        """Write tokens."""
        literals, distances = count_symbols(tokens)
        if self._literals_only:
            self._close()
        count = len(tokens)
        if last:
            if not any(distances):
                distances[0] = 1
        else:
            literals[END_OF_BLOCK] = 0
            count += literals.count(0)
            literals = array("I", [max(n, 1) for n in literals])
            distances = array("I", [max(n, 1) for n in distances])

        if self._header_bits:
            estimate = estimated_bits(literals, distances, count, self.shortest_code, self.longest_code)
            new = self._header_bits + estimate
            new += new >> self._penalty
            size = body_bits(literals, distances, self._literal_lengths, self._distance_lengths)
            if new < size:
                self._close()
                size = new
            if self._saves_little(source, size):
                return
        if not self._header_bits:
            header = go_dynamic(literals, distances)
            size = 3 + header.bits + body_bits(literals, distances, *header.lengths())
            if self._saves_little(source, size):
                return
            self._open(header, literals_only=False)
        self._writer.tokens(tokens)
        if last:
            self._close()

    def _saves_little(self, source: bytes | None, size: int) -> bool:
        """Store the uncompressed data if that costs less than a 16th more than `size`; return whether it was stored."""
        if source is not None and 8 * (len(source) + 5) < size + (size >> 4):
            self.stored(source)
            return True
        return False

    def _looks_random(self, counts: array[int], size: int) -> bool:
        return False


class OlderKlauspostWriter(OldKlauspostWriter):
    """1.11.13 to 1.12.2."""

    shortest_code = -1e9
    longest_code = 1e9

    def literals(self, source: bytes, last: bool) -> None:
        """Write uncompressed data without matches."""
        tokens = literal_tokens(source)
        counts = count_symbols(tokens)[0][: END_OF_BLOCK + 1]
        new = self._estimate(counts[:END_OF_BLOCK], len(source), last)
        new += self._header_bits or GUESSED_HEADER
        new += new >> self._penalty
        if 8 * (len(source) + 5) < new:
            self.stored(source)
            return
        filled = counts if last else array("I", [max(n, 1) for n in counts])
        if self._header_bits and self._new_code_is_better(new, counts, filled):
            self._close()
        if not self._header_bits:
            self._open(go_header(go_lengths(filled, MAX_BITS), b"\x01"), literals_only=True)
        self._writer.tokens(tokens)
        if last:
            self._close()

    def _estimate(self, counts: array[int], size: int, last: bool) -> int:
        """Return the bits of a block of literals, without its header."""
        return shannon_bits(counts, size if last else size + counts.count(0)) + size // 32

    def _new_code_is_better(self, new: int, counts: array[int], filled: array[int]) -> bool:
        return new < self._old_bits(counts)

    def _old_bits(self, counts: array[int]) -> int:
        return sum(map(int.__mul__, counts[:END_OF_BLOCK], self._literal_lengths))


class OldestKlauspostWriter(OlderKlauspostWriter):
    """1.10.2 to 1.11.12."""

    def _estimate(self, counts: array[int], size: int, last: bool) -> int:
        return shannon_bits(counts, size) + 15

    def _new_code_is_better(self, new: int, counts: array[int], filled: array[int]) -> bool:
        size = sum(counts[:END_OF_BLOCK])
        return new + filling_bits(sum(filled) - sum(counts), size) < self._old_bits(filled)
