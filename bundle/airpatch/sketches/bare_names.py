"""Names as they would be if builds did not put hashes and numbers into them."""

from __future__ import annotations

import re

_HASH = re.compile(
    rb"(?<![0-9A-Za-z])(?:(?=[a-f]*[0-9])[0-9a-f]{6,}|(?=[a-zA-Z]*[0-9])(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])[0-9A-Za-z]{8,})(?![0-9A-Za-z])"
)
"""Hexadecimal with a digit, or a digit and upper and lower case."""
_NUMBER = re.compile(rb"[0-9]+(?:[.][0-9]+)*")


def bare(path: bytes) -> bytes:
    """Return a path without hashes, and with 0 for numbers, which change from build to build."""
    if len(path.translate(None, b"0123456789")) == len(path):  # most have no digits, and so neither numbers nor hashes
        return path
    return _NUMBER.sub(b"0", _HASH.sub(b"", path))
