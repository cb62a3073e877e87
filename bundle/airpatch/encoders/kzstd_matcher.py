# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a block ends within 2 * `_reach` + SLACK bytes of buffer, since `fill` moves what is older; literals are
# those of one block, copied by 8 into SLACK at most.
"""What the match searches of klauspost/compress zstd have in common: a block in, its sequences out."""

from __future__ import annotations

from mmap import mmap

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import high32, low32, pair, put_literals
else:
    from airpatch.byte_access import common
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import high32, low32, pair, put_literals

from airpatch.encoders.kzstd_sequences import SLACK
from airpatch.zeroed_memory import lazy_zeros

_REBASE = 1 << 30  # positions stay within 32 bits


@cython.cclass
class ZstdMatcher:
    """The uncompressed data of one frame as far as the window reaches, and tables of positions in it.

    A position is an index into the uncompressed data held plus `_base`, which grows when older uncompressed data goes;
    it is at least `reach`, so that position 0 is out of reach. Types are in kzstd_matcher.pxd.
    """

    def __init__(self, reach: int) -> None:
        self._buffer = lazy_zeros(2 * reach + SLACK)
        self._window = self._buffer
        self._found = Sequences()
        self._tables: list[tuple[memoryview[int], bool]] = []
        self._reach = reach
        self._filled = 0
        self._end = 0
        self._base = reach
        self._alone = False

    def reset(self) -> None:
        """Begin another frame: forget all uncompressed data."""
        self._base += self._reach + self._filled
        self._filled = 0
        if self._base > _REBASE:
            for table, _ in self._tables:
                table[:] = memoryview(bytes(table.nbytes)).cast("Q")
            self._base = self._reach

    @property
    def buffer(self) -> mmap:
        """The uncompressed data held."""
        return self._buffer

    def take_tables(self, other: ZstdMatcher) -> None:
        """Go on with the tables of another search of the same level, which is over, where new ones would take time."""

    def _go_on(self, other: ZstdMatcher) -> None:
        """Share the tables of another search; what they hold is out of reach."""
        self._tables = other._tables
        self._base = other._base + other._filled + self._reach

    def weigh(self, block: bytes) -> None:
        """Begin another frame. Until the next one, search as in `block`, though only its beginning is there."""
        self.reset()

    def fill(self, data: bytes | bytearray | memoryview) -> tuple[int, int]:
        """Take a block of uncompressed data; return where in `buffer` it begins and ends."""
        size = len(data)
        begin: int = self._filled
        if begin + size > 2 * self._reach:
            dropped = begin - self._reach
            self._buffer[: self._reach] = self._buffer[dropped:begin]
            begin = self._reach
            self._base += dropped
            if self._base > _REBASE:
                self._rebase(self._base - self._reach)
        self._buffer[begin : begin + size] = data
        self._filled = begin + size
        return begin, begin + size

    def sequences(self, begin: int, end: int, alone: bool) -> Sequences:
        """Return the sequences of buffer[begin:end], a block that all searched before precedes.

        `alone` says that it is all of the frame. What is returned is overwritten by the next call.
        """
        first: cython.int = begin
        self._end = end
        self._alone = alone
        found: Sequences = self._found
        found.count = 0
        found.literal_count = 0
        with cython.nogil:
            self._search(found, first)
        return found

    def _rebase(self, shift: int) -> None:
        """Subtract `shift` from all positions; those that become negative are forgotten."""
        less: cython.uint = shift
        i: cython.Py_ssize_t
        entries: cython.ulonglong[::1]
        low: cython.uint
        high: cython.uint
        self._base -= shift
        for table, both in self._tables:
            entries = table
            for i in range(len(table)):
                low = low32(entries[i])
                high = high32(entries[i])
                low = low - less if low > less else 0
                if both:
                    high = high - less if high > less else 0
                entries[i] = pair(high, low)

    def _new_table(self, bits: int, both: bool = False) -> memoryview[int]:
        """Return a table of 2**bits entries whose lower half is a position; the upper half is one, too, if `both`."""
        table = memoryview(lazy_zeros(8 << bits)).cast("Q")
        self._tables.append((table, both))
        return table

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, found: Sequences, begin: cython.int) -> cython.void:
        """Add the sequences of _window[begin:_end] to `found`, and all literals."""

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _take_literals(self, found: Sequences, begin: cython.int, end: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        literals: cython.p_uchar = cython.address(found.literals[0]) if cython.compiled else found.literals
        found.literal_count = put_literals(literals, found.literal_count, window, begin, end)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _take_rest(self, found: Sequences, begin: cython.int) -> cython.void:
        """Make the rest of the block literals."""
        self._take_literals(found, begin, self._end)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _take_run(self, found: Sequences, begin: cython.int) -> cython.bint:
        """If the block is one byte repeated, make it a literal and a match; return whether it is."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        size: cython.int = self._end - begin
        if size < 4 or common(window, begin + 1, window, begin, size - 1) < size - 1:
            return False
        self._take_literals(found, begin, begin + 1)
        found.add(1, size - 1, 4)
        return True
