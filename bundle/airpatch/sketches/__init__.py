"""Sketches: what resembles what, judged by content-defined samples of bytes."""
