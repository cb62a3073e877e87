"""Words of four or eight bytes, for loops over buffers. What compiled modules use instead is in words.pxd."""

from __future__ import annotations


def load32(data: bytes, at: int) -> int:
    """Return the four bytes at `at`, little-endian."""
    return int.from_bytes(data[at : at + 4], "little")


def load32_big(data: bytes, at: int) -> int:
    """Return the four bytes at `at`, big-endian."""
    return int.from_bytes(data[at : at + 4], "big")


def load64(data: bytes, at: int) -> int:
    """Return the eight bytes at `at`, little-endian."""
    return int.from_bytes(data[at : at + 8], "little")


def store64(data: bytearray, at: int, word: int) -> None:
    """Write eight bytes at `at`, little-endian."""
    data[at : at + 8] = word.to_bytes(8, "little")


def common(data: bytes, left: int, right: int, limit: int) -> int:
    """Return how many bytes are equal from `left` and from `right` on, at most `limit`."""
    size = 0
    while size < limit and data[left + size] == data[right + size]:
        size += 1
    return size
