"""The modes of a cover: where in its bytes there are references (spec/DELTA.md)."""

from __future__ import annotations

PLAIN, CODE_X86, CODE_AARCH64, POINTERS, RELATIVE, FRAMES = 0, 1, 2, 3, 4, 5
BASED, SYMBOLS, RELOCATIONS = 6, 7, 8  # + 3i: offsets from base i, symbols with names there, relocations of those there
