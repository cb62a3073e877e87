"""Sketches: what resembles what, told by content-defined samples of bytes."""
