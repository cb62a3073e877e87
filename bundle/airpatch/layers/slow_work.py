"""What slow encoders are given: the time of a layer patch is bounded, whatever encoders it names.

How it is counted is said in spec/VIEWS.md (Limits and security).
"""

from __future__ import annotations

from airpatch import limits
from airpatch.errors import FormatError


class SlowWork:
    """Adds up what the slow encoders of a layer patch are given."""

    def __init__(self) -> None:
        self._spent = 0

    def spend(self, size: int) -> None:
        """Add `size` bytes that are about to be made. Raises FormatError beyond the limit."""
        self._spent += size
        if self._spent > limits.SLOW.value:
            raise FormatError(f"slow encoders are given more than {limits.SLOW} bytes")
