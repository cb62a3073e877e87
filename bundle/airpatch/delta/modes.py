"""The modes of a cover: where in its bytes there are references (spec/DELTA.md)."""

from __future__ import annotations

PLAIN, CODE_X86, CODE_AARCH64, POINTERS, RELATIVE, FRAMES = 0, 1, 2, 3, 4, 5
BASED, SYMBOLS, RELOCATIONS = 6, 7, 8  # + 3i: offsets from base i, symbols with names there, relocations of those there


def kind(mode: int) -> int:
    """Return the mode without its base, from 0 to 8."""
    return mode if mode < BASED else BASED + mode % 3
