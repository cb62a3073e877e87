"""How long to look for a small difference."""

from __future__ import annotations

from enum import Enum


class Effort(Enum):
    """How long to look for the smallest delta.

    A value holds the candidates that the alignment tries, zstd's level for literals and that for other columns, and how
    many bytes of literals and corrections may be mixed, which takes about a microsecond for each: of a delta, and of a
    segment for each byte of its target. A delta takes at most a second for it by default, and mixing as many as 64 MB/s
    of targets.
    """

    FAST = (1, 3, 6, 0, 0.0)
    DEFAULT = (4, 16, 19, 1 << 20, 1 / 64)
    BEST = (16, 19, 19, 1 << 24, 1.0)
