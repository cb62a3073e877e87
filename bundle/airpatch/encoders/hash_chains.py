"""Hash chains over a sliding window, as Go's compress/flate and klauspost/compress keep them.

A position is an index into the window plus a base, which grows when the window slides; 0 stands for none. `newest` has
the newest position of each hash, and `older`, for each position modulo the window, how far back the next one with the
same hash lies. What compiled modules use instead is in hash_chains.pxd.
"""

from __future__ import annotations

from array import array

RING = (1 << 15) - 1  # a position modulo the window
TOO_FAR = 0xFFFF


def enter(newest: array[int], older: array[int], base: int, index: int, slot: int) -> int:
    """Put the byte at `index` at the head of the chain of its hash; return the former head's index, or below 0."""
    position = index + base
    head = newest[slot]
    older[index & RING] = min(position - head, TOO_FAR)
    newest[slot] = position
    return head - base


def forget(newest: array[int], size: int, before: int) -> None:
    """Subtract `before` from all positions; those up to it, which have left the window, become 0."""
    for slot in range(size):
        newest[slot] = max(newest[slot] - before, 0)
