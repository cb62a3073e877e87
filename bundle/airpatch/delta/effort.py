"""How long to look for a small difference."""

from __future__ import annotations

from enum import Enum


class Effort(Enum):
    """How long to look for the smallest delta.

    A value holds the candidates that the alignment tries, zstd's level for literals and that for other columns.
    """

    FAST = (1, 3, 6)
    DEFAULT = (4, 16, 19)
    BEST = (16, 19, 19)
