"""Contexts are hashed as the specification says, and tables are those that it gives."""

from __future__ import annotations

from airpatch.delta import mixing
from airpatch.delta.mixing import Coder, context


def test_contexts_are_hashed_as_specified() -> None:
    for content, kind in ((0, 0), (1, 2), (2**64 - 1, 36), (0x123456789ABCDEF, 5)):
        x = ((content + 1) * 0x9E3779B97F4A7C15 + kind * 0xD6E8FEB86659FD93) % 2**64
        assert context(content, kind) == ((x ^ x >> 32) * 0x9E3779B97F4A7C15 % 2**64) >> 32


def test_tables_are_inverse_and_ascend() -> None:
    squash = list(mixing._SQUASH)
    stretch = list(mixing._STRETCH)
    assert squash == sorted(squash)
    assert stretch == sorted(stretch)
    assert (len(squash), len(stretch)) == (4096, 4096)
    assert squash[2048] == 2047
    for p in range(1, 4095):
        x = stretch[p]
        assert squash[x + 2048] >= p
        assert x == -2047 or squash[x + 2047] < p


def test_nothing_coded_takes_four_bytes() -> None:
    coder = Coder()
    coder.write()
    stored = coder.written()
    coder.read(stored)
    assert len(stored) == 4
    assert coder.used_up
    coder.read(stored + b"x")
    assert not coder.used_up
