"""Uncompressed data as tokens without any match."""

from __future__ import annotations

import sys
from array import array

_LOW_BYTE = 0 if sys.byteorder == "little" else 3


def literal_tokens(source: bytes) -> array[int]:
    """Return one literal token for each byte (typecode "I")."""
    tokens = bytearray(4 * len(source))
    tokens[_LOW_BYTE::4] = source
    return array("I", bytes(tokens))
