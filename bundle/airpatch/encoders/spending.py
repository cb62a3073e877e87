"""What slow encoders tell before they do it: how many bytes libbrotli makes at quality 11 in that time."""

from __future__ import annotations

from collections.abc import Callable

Spend = Callable[[int], object]
"""Receives such a number, and may raise so that nothing is done."""


def unbounded(_size: int) -> None:
    """Take no note of it."""
