"""Pieces of bytes, read by size."""

from __future__ import annotations

from collections.abc import Iterator

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


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 30)))
def test_bytes_are_taken_left_out_and_passed_on(pieces: list[bytes], sizes: list[int]) -> None:
    reader = PieceReader(pieces)
    content, position = b"".join(pieces), 0
    for number, size in enumerate(sizes):
        expected = content[position : position + size]
        match number % 3:
            case 0:
                assert reader.exactly(size) == expected
            case 1:
                assert b"".join(reader.pieces(size)) == expected
            case _:
                reader.skip(size)
        position += len(expected)
    assert b"".join(reader.pieces()) == content[position:]
    assert reader.at_end()


def test_bytes_of_pieces_that_share_a_buffer() -> None:
    buffer = bytearray(2)

    def pieces() -> Iterator[memoryview]:
        for content in (b"ab", b"cd"):
            buffer[:] = content
            yield memoryview(buffer)

    assert PieceReader(pieces()).exactly(3) == b"abc"
