"""What the match searches of klauspost/compress flate share: constants, hashes, and how tokens are appended.

What compiled modules use instead is in klauspost_shared.pxd. Tokens are those of airpatch.deflate.tables; a table of
positions may be two deep, then entry 2n is the newest position of hash n and entry 2n + 1 the one before it.
"""

from __future__ import annotations

from array import array

from airpatch.byte_access import load32

BLOCK = 65535  # most bytes searched at a time, so most tokens
WINDOW = 1 << 15  # matches stay nearer than this, at times just as near
MAX_MATCH = 258
MIN_PIECE = 3  # deflate has no shorter match
MARGIN = 11  # no match begins in a block's last bytes


def hash4(word: int, bits: int) -> int:
    """Return `bits` bits for the first four bytes of a little-endian word."""
    return (word * 2654435761 & 0xFFFFFFFF) >> (32 - bits)


def hash5(word: int, bits: int) -> int:
    """Return `bits` bits for the first five bytes of a word."""
    return ((word << 24) * 889523592379 & 0xFFFFFFFFFFFFFFFF) >> (64 - bits)


def hash7(word: int, bits: int) -> int:
    """Return `bits` bits for the first seven bytes of a word."""
    return ((word << 8) * 58295818150454627 & 0xFFFFFFFFFFFFFFFF) >> (64 - bits)


def push(table: array[int], slot: int, position: int) -> None:
    """Remember a position in a table two deep."""
    table[slot + 1] = table[slot]
    table[slot] = position


def meets(window: bytes, index: int, match: int, word: int) -> bool:
    """Return whether `match` lies within the window before `index` and holds the first four bytes of `word`."""
    return index - match < WINDOW and load32(window, match) == word & 0xFFFFFFFF


def put_literals(tokens: array[int], count: int, window: bytes, begin: int, end: int) -> int:
    """Append literals to `count` tokens; return how many tokens there are then."""
    for index in range(begin, end):
        tokens[count] = window[index]
        count += 1
    return count


def put_match(tokens: array[int], count: int, length: int, distance: int, piece: int) -> int:
    """Append a match of any length to `count` tokens; return how many tokens there are then.

    A match over 258 bytes becomes several, of `piece` bytes as long as the last one will not be too short.
    """
    while length > MAX_MATCH:
        part = piece if length > MAX_MATCH + MIN_PIECE else MAX_MATCH - MIN_PIECE
        tokens[count] = part << 16 | distance
        count += 1
        length -= part
    tokens[count] = length << 16 | distance
    return count + 1
