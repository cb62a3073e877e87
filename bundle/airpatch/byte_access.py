"""Words of four or eight bytes, for loops over buffers. Compiled modules use byte_access.pxd instead."""

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


def load64_big(data: bytes, at: int) -> int:
    """Return the eight bytes at `at`, big-endian."""
    return int.from_bytes(data[at : at + 8], "big")


def store32(data: bytearray, at: int, word: int) -> None:
    """Write the lowest four bytes of `word` at `at`, little-endian."""
    data[at : at + 4] = (word & 0xFFFFFFFF).to_bytes(4, "little")


def store64(data: bytearray, at: int, word: int) -> None:
    """Write eight bytes at `at`, little-endian."""
    data[at : at + 8] = word.to_bytes(8, "little")


def common(left: bytes, at: int, right: bytes, where: int, limit: int) -> int:
    """Return how many bytes are equal from left[at] and from right[where] on, at most `limit`."""
    size = 0
    while size < limit and left[at + size] == right[where + size]:
        size += 1
    return size


def common_before(left: bytes, at: int, right: bytes, where: int, limit: int) -> int:
    """Return how many bytes are equal before left[at] and right[where], at most `limit`."""
    size = 0
    while size < limit and left[at - size - 1] == right[where - size - 1]:
        size += 1
    return size
