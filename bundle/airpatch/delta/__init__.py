"""Differences of byte strings: one as copies of others, small corrections, and what is new.

`encoder.encode` makes a delta, `decoder.decode` rebuilds the target from it; the format is specified in spec/DELTA.md.
"""
