"""Words and common stretches of bytes, in plain Python; what compiled modules use is tested through them."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from airpatch.byte_access import common, common_before, load32, load32_big, load64, store32, store64


@given(st.binary(min_size=8, max_size=40), st.data())
def test_words(data: bytes, draws: st.DataObject) -> None:
    at = draws.draw(st.integers(0, len(data) - 8))
    assert load32(data, at) == struct.unpack_from("<I", data, at)[0]
    assert load32_big(data, at) == struct.unpack_from(">I", data, at)[0]
    word = load64(data, at)
    assert word == struct.unpack_from("<Q", data, at)[0]
    copy = bytearray(len(data))
    store64(copy, at, word)
    assert copy == bytes(at) + data[at : at + 8] + bytes(len(data) - at - 8)
    copy = bytearray(len(data))
    store32(copy, at, word)
    assert copy == bytes(at) + data[at : at + 4] + bytes(len(data) - at - 4)


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.integers(0, 30))
def test_what_two_buffers_have_in_common(shared: bytes, left: bytes, right: bytes, limit: int) -> None:
    ours, theirs = shared + b"\0" + left, shared + b"\1" + right
    assert common(ours, 0, theirs, 0, limit) == min(len(shared), limit)
    ours, theirs = left + b"\0" + shared, right + b"\1" + shared
    assert common_before(ours, len(ours), theirs, len(theirs), limit) == min(len(shared), limit)
