"""What encoders do for a layer patch: its time is bounded, whatever encoders and content it names.

How it is counted is said in spec/VIEWS.md (Limits and security).
"""

from __future__ import annotations

from airpatch import limits
from airpatch.errors import FormatError


class Work:
    """The meter of a layer patch that makes `size` uncompressed bytes."""

    def __init__(self, size: int) -> None:
        self._most_steps = limits.search(size)
        self._steps = self._spent = 0

    def spend(self, size: int) -> None:
        """Add what slow encoders are about to do, as much as `size` bytes. Raises FormatError beyond the limit."""
        self._spent += size
        if self._spent > limits.SLOW.value:
            raise FormatError(f"slow encoders are given more than {limits.SLOW} bytes")

    def search(self, steps: int) -> None:
        """Add steps of a search. Raises FormatError beyond the limit."""
        self._steps += steps
        if self._steps > self._most_steps:
            raise FormatError(f"encoders search for more than {limits.SEARCH} steps for each byte of the layer")
