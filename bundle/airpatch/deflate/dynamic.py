# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: bytes are read below len(data); 7 bits index RUN_ENTRIES; a run that was read is below RUN_VALUES.
"""The header of a dynamic block read from a stream (RFC 1951 3.2.7)."""

from __future__ import annotations

from array import array

import cython

from airpatch.deflate.decoding import RUN_ENTRIES, RUN_INDEX, RUN_VALUES, UNUSED, build_table
from airpatch.deflate.header import MANY_ZEROS, REPEAT, RUN_REPEATS, ZEROS, DynamicHeader
from airpatch.deflate.tables import CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, DISTANCES, LITERALS
from airpatch.errors import FormatError

_UNUSED = cython.declare(cython.uint, UNUSED)
_RUN_REPEATS = cython.declare(cython.const[cython.uchar][::1], RUN_REPEATS)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _peek(data: bytes, bit: cython.Py_ssize_t) -> cython.uint:
    """Return the 17 bits at `bit`, or more; those after the end are zero."""
    at: cython.Py_ssize_t = bit >> 3
    i: cython.Py_ssize_t
    word: cython.uint = 0
    for i in range(at, min(at + 3, len(data))):
        word |= cython.cast(cython.uint, data[i]) << 8 * (i - at)
    return word >> (bit & 7)


def read_header(data: bytes, bit: cython.Py_ssize_t) -> tuple[DynamicHeader, int] | None:
    """Return the header that begins at a bit of the data, and the bit after it; None if the data ends before.

    Raises FormatError if it is malformed.
    """
    size: cython.Py_ssize_t = 8 * len(data)
    word: cython.uint = _peek(data, bit)
    literal_count: cython.int = (word & 31) + 257
    distance_count: cython.int = (word >> 5 & 31) + 1
    run_length_count: cython.int = (word >> 10 & 15) + 4
    bit += 14
    if bit + 3 * run_length_count > size:
        return None
    if literal_count > LITERALS or distance_count > DISTANCES:
        raise FormatError("more code lengths than symbols")
    run_lengths = bytearray(CODE_LENGTH_SYMBOLS)
    for symbol in CODE_LENGTH_ORDER[:run_length_count]:
        run_lengths[symbol] = _peek(data, bit) & 7
        bit += 3
    run_table = array("I", bytes(4 * RUN_ENTRIES))
    build_table(bytes(run_lengths), RUN_INDEX, RUN_VALUES, run_table)
    entries: cython.uint[::1] = run_table
    runs: list[int] = []
    wanted: cython.int = literal_count + distance_count
    entry: cython.uint
    run: cython.uint
    while wanted > 0:
        word = _peek(data, bit)
        entry = entries[word & 0x7F]
        if entry >> 8 & 0xFF == _UNUSED:
            raise FormatError("code of a code length is not in use")
        word >>= entry & 0xFF
        bit += entry & 0xFF
        run = entry >> 16
        if run == 16:
            run = REPEAT + (word & 3)
            bit += 2
        elif run == 17:
            run = ZEROS + (word & 7)
            bit += 3
        elif run == 18:
            run = MANY_ZEROS + (word & 0x7F)
            bit += 7
        if bit > size:
            return None
        runs.append(run)
        wanted -= _RUN_REPEATS[run]
    sizes = (literal_count, distance_count, run_length_count)
    return DynamicHeader(*sizes, bytes(run_lengths), bytes(runs)), bit
