"""Pieces of bytes, read by size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.piece_reader import PieceReader


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 30)))
def test_pieces_are_read_by_size(pieces: list[bytes], sizes: list[int]) -> None:
    reader = PieceReader(pieces)
    content, position = b"".join(pieces), 0
    for size in sizes:
        data = reader.read(size)
        assert len(data) <= size
        assert data == content[position : position + len(data)]
        assert bool(data) == (position < len(content))
        position += len(data)
        assert reader.at_end() == (position == len(content))


def test_views_are_copied() -> None:
    buffer = bytearray(b"ab")
    data = PieceReader([memoryview(buffer)]).read(2)
    buffer[:] = b"xy"
    assert data == b"ab"
