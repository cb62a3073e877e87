# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: there are as many values as lengths, at most 288; codes are complete when tables are filled, so the
# entries counted below suffice; an index is cut to its bits.
"""Decoding tables of Huffman codes: one look-up, or two, from the next bits of a stream to what they mean.

A table is indexed by the next bits. An entry is `value << 16 | kind << 8 | bits`; bits is the number of bits
to drop. For codes longer than the index, a LINK leads to a second table: its value is the start of that
table, and its bits are the width of that table's index.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.deflate.huffman import canonical_codes
from airpatch.deflate.tables import (
    CODE_LENGTH_SYMBOLS,
    DISTANCE_BASE,
    DISTANCE_EXTRA,
    LENGTH_BASE,
    LENGTH_EXTRA,
)
from airpatch.errors import FormatError

# Kinds of entries; any below LITERAL is a base, to which so many extra bits are added.
LITERAL = 0x20
END = 0x40
LINK = 0x80
UNUSED = 0xC0

# Bits of the index of each table.
LITERAL_INDEX = 11
DISTANCE_INDEX = 8
RUN_INDEX = 7  # as long as codes of this alphabet can be

# In a complete code a second table of w bits holds at least w + 1 codes: 2 ** w / (w + 1) entries for each
# symbol are enough. Codes have up to 15 bits, so w is at most 4 for literals, 7 for distances.
LITERAL_ENTRIES = (1 << LITERAL_INDEX) + 288 * 16 // 5
DISTANCE_ENTRIES = (1 << DISTANCE_INDEX) + 32 * 128 // 8
RUN_ENTRIES = 1 << RUN_INDEX

# What symbols stand for: `value << 8 | kind` of an entry.
LITERAL_VALUES = array(
    "I",
    [
        *(byte << 8 | LITERAL for byte in range(256)),
        END,
        *(base << 8 | extra for base, extra in zip(LENGTH_BASE, LENGTH_EXTRA, strict=True)),
        *(UNUSED, UNUSED),
    ],
)
DISTANCE_VALUES = array(
    "I",
    [
        *(base << 8 | extra for base, extra in zip(DISTANCE_BASE, DISTANCE_EXTRA, strict=True)),
        *(UNUSED, UNUSED),
    ],
)
RUN_VALUES = array("I", [symbol << 8 for symbol in range(CODE_LENGTH_SYMBOLS)])


def build_table(lengths: bytes, index: int, values: array[int], entries: array[int]) -> None:
    """Fill `entries` (typecode "I", of the size above) for a code of these lengths; `values` has a value for
    each symbol.

    As zlib does, it takes complete codes, a single code of one bit, or none at all. Raises FormatError for
    others.
    """
    _build_table(lengths, index, values, entries)


@cython.cfunc
def _build_table(
    lengths: bytes, index: cython.uint, values: cython.uint[::1], entries: cython.uint[::1]
) -> cython.void:
    unused: cython.uint = UNUSED
    link: cython.uint = LINK
    codes: cython.uint[::1] = canonical_codes(lengths)
    widths: cython.uchar[::1] = bytearray(1 << index)
    symbol: cython.Py_ssize_t
    bits: cython.uint
    code: cython.uint
    covered: cython.uint = 0
    longest: cython.uint = 0
    for symbol in range(len(lengths)):
        bits = lengths[symbol]
        if bits:
            covered += 1 << (15 - bits)
            longest = max(longest, bits)
            if bits > index:
                code = codes[symbol] & (1 << index) - 1
                widths[code] = max(widths[code], bits - index)
    if covered != 1 << 15 and longest > 1:
        raise FormatError("incomplete Huffman code")
    i: cython.Py_ssize_t
    if covered != 1 << 15:
        for i in range(1 << index):
            entries[i] = unused << 8
    following: cython.uint = 1 << index
    for i in range(1 << index):
        if widths[i]:
            entries[i] = following << 16 | link << 8 | widths[i]
            following += 1 << widths[i]
    entry: cython.uint
    for symbol in range(len(lengths)):
        bits = lengths[symbol]
        if not bits:
            continue
        code = codes[symbol]
        entry = values[symbol] << 8 | bits
        if bits <= index:
            i = code
            while i < 1 << index:
                entries[i] = entry
                i += 1 << bits
        else:
            i = code & (1 << index) - 1
            following = entries[i] >> 16
            covered = following + (1 << widths[i])
            i = following + (code >> index)
            while i < covered:
                entries[i] = entry
                i += 1 << (bits - index)
