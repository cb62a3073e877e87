"""The constants of RFC 1951: symbol alphabets, bases and extra bits, and the token that stands for a symbol.

A token is an unsigned 32-bit integer. A literal is its byte value (0..255). A match is `length << 16 |
distance`, length 3..258 and distance 1..32768; `LONG_258` marks the one match that has two spellings: length
258 written as symbol 284 with extra bits 31 in place of symbol 285. Bits 26 and above are zero.
"""

from __future__ import annotations

from array import array

LITERALS = 286  # literal/length symbols that may appear: 256 bytes, end of block, 29 lengths (RFC 1951 3.2.5)
DISTANCES = 30  # distance symbols that may appear
CODE_LENGTH_SYMBOLS = 19  # RFC 1951 3.2.7: lengths 0..15, repeat, two runs of zeros
END_OF_BLOCK = 256
MAX_BITS = 15  # longest literal/length or distance code
MAX_CODE_LENGTH_BITS = 7  # longest code of the code length alphabet
MIN_MATCH = 3
MAX_MATCH = 258
WINDOW = 1 << 15  # largest distance
MAX_STORED = 0xFFFF  # bytes in a stored block
LONG_258 = 1 << 25

STORED, FIXED, DYNAMIC = 0, 1, 2  # BTYPE

LENGTH_EXTRA = bytes([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0])
DISTANCE_EXTRA = bytes([0, 0, *(extra for extra in range(14) for _ in range(2))])
# The order in which the lengths of the code length code are sent (RFC 1951 3.2.7).
CODE_LENGTH_ORDER = bytes([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])

FIXED_LITERAL_LENGTHS = bytes([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8)  # 286 and 287 take part in the code
FIXED_DISTANCE_LENGTHS = bytes([5] * 32)  # so do 30 and 31


def _bases(first: int, extra: bytes) -> array[int]:
    bases = array("H")
    for bits in extra:
        bases.append(first)
        first += 1 << bits
    return bases


LENGTH_BASE = _bases(MIN_MATCH, LENGTH_EXTRA[:-1])  # of symbol 257 + index
LENGTH_BASE.append(MAX_MATCH)  # symbol 285 stands outside the series
DISTANCE_BASE = _bases(1, DISTANCE_EXTRA)


def _symbols(extra: bytes) -> bytes:
    """Return the symbols of all values in their order; each stands for as many as its `extra` bits tell apart."""
    return b"".join(bytes([symbol]) * (1 << bits) for symbol, bits in enumerate(extra))


# Symbol of each match length: LENGTH_SYMBOL[length] + 257, length 3..258; 0 below.
LENGTH_SYMBOL = bytes(MIN_MATCH) + _symbols(LENGTH_EXTRA[:-1])[:-1] + bytes([28])

# Distance symbols change at multiples of 128 once distances exceed 256, so 512 entries serve them all: entry
# `d - 1` for d <= 256, entry `256 + (d - 1 >> 7)` above.
DISTANCE_SYMBOL = _symbols(DISTANCE_EXTRA)[:256] + _symbols(DISTANCE_EXTRA)[::128]
