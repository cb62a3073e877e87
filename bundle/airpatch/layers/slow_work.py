"""What slow encoders are given in all: their time is bounded, whatever layer patches ask for.

How it is counted is said in spec/VIEWS.md (Limits and security).
"""

from __future__ import annotations

import threading

from airpatch import limits
from airpatch.errors import FormatError


class SlowWork:
    """Adds up what the slow encoders of a bundle, or of a layer patch, are given. For use by many threads."""

    def __init__(self) -> None:
        self._spent = 0
        self._lock = threading.Lock()

    def spend(self, size: int) -> None:
        """Add `size` bytes that are about to be made. Raises FormatError beyond the limit."""
        with self._lock:
            self._spent += size
            if self._spent > limits.SLOW.value:
                raise FormatError(f"slow encoders are given more than {limits.SLOW} bytes")
