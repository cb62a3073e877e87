# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a sequence stands for 3 bytes at least, so a block has MAX_SEQUENCES at most.
"""What a match search makes of a block: literals, and sequences of literals and a match (RFC 8878 3.1.1.3.2)."""

from __future__ import annotations

import cython

from airpatch.zeroed_memory import lazy_zeros

MAX_BLOCK = 128 << 10
MAX_SEQUENCES = MAX_BLOCK // 3
MIN_MATCH = cython.declare(cython.int, 3)
_NUMBERS = 4 * MAX_SEQUENCES  # bytes of a column
SLACK = 16  # bytes that may be read or written after the end of a buffer


@cython.cclass
class Sequences:
    """The sequences of one block; the literals after the last one are among its literals.

    The n-th has `literal_lengths[n]` literals and a match of `match_lengths[n]` + 3 bytes; `offsets[n]` is the value
    that is coded: 1 to 3 for a repeated offset, else the offset + 3. Types are in kzstd_sequences.pxd.
    """

    def __init__(self) -> None:
        room = memoryview(lazy_zeros(3 * _NUMBERS + MAX_BLOCK + SLACK))
        columns = (room[at : at + _NUMBERS].cast("I") for at in range(0, 3 * _NUMBERS, _NUMBERS))
        self.literal_lengths, self.match_lengths, self.offsets = columns
        self.literals = room[3 * _NUMBERS :]
        self.count = 0
        self.literal_count = 0

    def columns(self) -> tuple[bytes, bytes, bytes]:
        """Return `literal_lengths`, `match_lengths` and `offsets` of the sequences, 4 bytes each."""
        count: cython.int = self.count
        return (
            bytes(self.literal_lengths[:count]),
            bytes(self.match_lengths[:count]),
            bytes(self.offsets[:count]),
        )

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def add(self, literal_length: cython.uint, match_length: cython.uint, offset: cython.uint) -> cython.void:
        """Append a sequence; `match_length` is all of it."""
        self.literal_lengths[self.count] = literal_length
        self.match_lengths[self.count] = match_length - MIN_MATCH
        self.offsets[self.count] = offset
        self.count += 1
