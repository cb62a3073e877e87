"""What is inflated, and summed, is what zlib makes of it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.decompressor import GZIP, RAW, ZLIB, DecompressionError, adler32, crc32, decompressor


@given(st.binary(max_size=3000), st.sampled_from([RAW, ZLIB, GZIP]), st.integers(0, 9), st.integers(1, 400))
def test_every_framing(content: bytes, framing: int, level: int, piece: int) -> None:
    packer = zlib.compressobj(level, zlib.DEFLATED, framing)
    packed = packer.compress(content) + packer.flush() + b"behind"
    inflater = decompressor(framing)
    out, at = b"", 0
    while not inflater.eof:
        data = inflater.unconsumed_tail or packed[at : at + piece]
        at += 0 if inflater.unconsumed_tail else len(data)
        out += inflater.decompress(data, 100)
    assert out == content
    assert inflater.unused_data + packed[at:] == b"behind"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums(one: bytes, two: bytes) -> None:
    assert crc32(two, crc32(one)) == zlib.crc32(one + two)
    assert adler32(two, adler32(one)) == zlib.adler32(one + two)


@pytest.mark.parametrize("data", [b"\x07", b"\xff" * 20])
def test_defects(data: bytes) -> None:
    with pytest.raises(DecompressionError):
        decompressor(RAW).decompress(data)
