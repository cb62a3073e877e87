"""Hash chains over three bytes as zlib keeps them: positions are indexes into the window, 0 stands for none.

`newest` has the newest position of each hash, `older` for each position modulo the window the next older one with the
same hash. What compiled modules use instead is in zlib_chains.pxd.
"""

from __future__ import annotations

from array import array

RING = (1 << 15) - 1  # a position modulo the window


def enter(window: memoryview, newest: array[int], older: array[int], index: int, shift: int, mask: int) -> int:
    """Put the byte at `index` at the head of its chain; return the former head, or 0."""
    slot = ((window[index] << 2 * shift) ^ (window[index + 1] << shift) ^ window[index + 2]) & mask
    head = newest[slot]
    older[index & RING] = head
    newest[slot] = index
    return head


def slide(positions: array[int], size: int, by: int) -> None:
    """Subtract `by` from all positions; those before it, which have left the window, become 0."""
    for slot in range(size):
        positions[slot] = max(positions[slot] - by, 0)
