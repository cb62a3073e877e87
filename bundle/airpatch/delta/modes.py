"""The modes of a cover: where in its bytes there are references (spec/DELTA.md)."""

from __future__ import annotations

PLAIN, CODE_X86, CODE_AARCH64, POINTERS, RELATIVE, FRAMES, UNALIGNED, DEBUG = range(8)
BASED, SYMBOLS, RELOCATIONS = (
    8,
    9,
    10,
)  # + 3i: offsets from base i, symbols with names there, relocations of those there
KINDS = 11


def kind(mode: int) -> int:
    """Return the mode without its base, below `KINDS`."""
    return mode if mode < BASED else BASED + (mode - BASED) % 3
