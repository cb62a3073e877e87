"""What the match searches of klauspost/compress zstd share: hashes of words and entries of tables.

A word is eight bytes, little-endian. What compiled modules use instead is in kzstd_words.pxd.
"""

from __future__ import annotations

_WORD = 0xFFFFFFFFFFFFFFFF


def hash4(word: int, bits: int) -> int:
    """Return `bits` bits for the first four bytes of a word."""
    return (word * 2654435761 & 0xFFFFFFFF) >> (32 - bits)


def hash5(word: int, bits: int) -> int:
    """Return `bits` bits for the first five bytes of a word."""
    return ((word << 24) * 889523592379 & _WORD) >> (64 - bits)


def hash6(word: int, bits: int) -> int:
    """Return `bits` bits for the first six bytes of a word."""
    return ((word << 16) * 227718039650203 & _WORD) >> (64 - bits)


def hash8(word: int, bits: int) -> int:
    """Return `bits` bits for a whole word."""
    return (word * 0xCF1BBCDCB7A56463 & _WORD) >> (64 - bits)


def pair(high: int, low: int) -> int:
    """Return a table entry of two halves, of which `high` is cut to 32 bits."""
    return (high & 0xFFFFFFFF) << 32 | low


def high32(entry: int) -> int:
    """Return the upper half of an entry."""
    return entry >> 32


def low32(entry: int) -> int:
    """Return the lower half of an entry, or of a word."""
    return entry & 0xFFFFFFFF


def bit_length(number: int) -> int:
    """Return how many bits a number has; 0 has none."""
    return number.bit_length()


def put_literals(literals: bytearray, at: int, window: bytes, begin: int, end: int) -> int:
    """Copy window[begin:end] to literals[at:]; return the end of the copy.

    Up to eight bytes after either end may be read or written, too.
    """
    literals[at : at + end - begin] = window[begin:end]
    return at + end - begin
