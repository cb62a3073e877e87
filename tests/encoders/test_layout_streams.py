"""Streams that a layout takes bytes from."""

from __future__ import annotations

import io

import pytest

from airpatch.encoders.layout_streams import exactly, take
from airpatch.errors import FormatError


def test_as_many_bytes_are_taken_as_are_asked_for() -> None:
    stream = io.BytesIO(bytes(3 << 20) + b"rest")
    pieces = list(take(stream.read, 3 << 20))
    assert b"".join(pieces) == bytes(3 << 20)
    assert max(map(len, pieces)) == 1 << 20
    assert exactly(stream.read, 4) == b"rest"


def test_a_stream_may_end_only_where_it_is_said_and_nothing_of_it_was_taken() -> None:
    assert exactly(io.BytesIO().read, 9, may_end=True) == b""
    with pytest.raises(FormatError, match="more bytes than there are"):
        exactly(io.BytesIO().read, 9)
    with pytest.raises(FormatError, match="more bytes than there are"):
        exactly(io.BytesIO(b"part").read, 9, may_end=True)
