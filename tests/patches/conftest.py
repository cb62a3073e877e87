"""The same places and releases as the tests of targets have."""

from __future__ import annotations

from tests.target.conftest import place, r1, r2, r3, root

__all__ = ["place", "r1", "r2", "r3", "root"]
