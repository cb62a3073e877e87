"""What the tests of formats share."""

from __future__ import annotations

from hypothesis import strategies as st

from airpatch.model.digest import Digest

DIGESTS = st.integers(0, 1000).map(lambda number: Digest.of(str(number).encode()))
