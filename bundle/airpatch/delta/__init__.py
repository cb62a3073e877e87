"""Differences of byte strings: one as copies of others, small corrections, and what is new.

`encode` makes a delta, `decode` rebuilds the target from it; the format is specified in spec/DELTA.md.
"""

from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode

__all__ = ["Effort", "decode", "encode"]
