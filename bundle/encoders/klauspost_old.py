"""Block writing of klauspost/compress flate before 1.15: 1.12.3 to 1.13.6, and 1.11.3.

The decisions are those of `flate/huffman_bit_writer.go` (Klaus Post and the Go authors, BSD) in those
versions, re-told here. A code that may be used once more is made for all symbols, as if each occurred at
least once.
"""

from __future__ import annotations

from array import array

from bundle.deflate.blocks import body_bits, count_symbols
from bundle.deflate.header import go_dynamic, go_header
from bundle.deflate.huffman import go_lengths
from bundle.deflate.tables import END_OF_BLOCK, MAX_BITS
from bundle.encoders.klauspost_blocks import GUESSED_HEADER, KlauspostWriter, estimated_bits, shannon_bits
from bundle.encoders.literals import literal_tokens


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
        """Store the plaintext if that costs less than a 16th more than `size`; return whether."""
        if source is not None and 8 * (len(source) + 5) < size + (size >> 4):
            self.stored(source)
            return True
        return False

    def _looks_random(self, counts: array[int], size: int) -> bool:
        return False


class OldestKlauspostWriter(OldKlauspostWriter):
    """1.11.3."""

    shortest_code = -1e9
    longest_code = 1e9

    def literals(self, source: bytes, last: bool) -> None:
        """Write plaintext without matches."""
        tokens = literal_tokens(source)
        counts = count_symbols(tokens)[0][: END_OF_BLOCK + 1]
        new, filling = shannon_bits(counts[:END_OF_BLOCK], len(source), not last)
        new += 15 + (self._header_bits or GUESSED_HEADER)
        new += new >> self._penalty
        if 8 * (len(source) + 5) < new:
            self.stored(source)
            return
        if not last:
            counts = array("I", [max(n, 1) for n in counts])
        if self._header_bits:
            old = sum(map(int.__mul__, counts[:END_OF_BLOCK], self._literal_lengths))
            if new + filling < old:
                self._close()
        if not self._header_bits:
            self._open(go_header(go_lengths(counts, MAX_BITS), b"\x01"), literals_only=True)
        self._writer.tokens(tokens)
        if last:
            self._close()
