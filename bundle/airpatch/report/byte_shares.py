"""Whole bytes, shared out so that nothing is lost and nothing is counted twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def share_out(total: int, weights: Sequence[float]) -> list[int]:
    """Return shares of `total` bytes in proportion to `weights`, whose sum is exactly `total`.

    Where all weights are zero, the shares are equal. Raises ValueError if there is something to share and no one to
    have it.
    """
    if not weights:
        if total:
            raise ValueError(f"{total} bytes, and no one to have them")
        return []
    whole = sum(weights)
    if not whole:
        weights, whole = [1.0] * len(weights), float(len(weights))
    cuts, seen = [0], 0.0
    for weight in weights[:-1]:
        seen += weight
        cuts.append(min(round(total * seen / whole), total))
    return [end - start for start, end in pairwise([*cuts, total])]
