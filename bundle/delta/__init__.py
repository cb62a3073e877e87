"""Differences of plaintexts: one byte string as copies of others, small corrections, and what is new.

`encode` makes a delta, `apply` rebuilds the target from it; the format is specified in spec/DELTA.md.
"""

from bundle.delta.apply import apply
from bundle.delta.encode import Effort, encode

__all__ = ["Effort", "apply", "encode"]
