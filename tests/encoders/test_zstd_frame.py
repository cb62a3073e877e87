"""Frames are found where zstd itself finds them."""

from __future__ import annotations

import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders.zstd_frame import frame_end, read_header
from airpatch.errors import FormatError

SKIPPABLE = b"\x51\x2a\x4d\x18\x05\0\0\0hello"


@given(st.integers(0, 70_000), st.booleans(), st.booleans(), st.integers(1, 19))
def test_header_and_end(size: int, checksum: bool, sized: bool, level: int) -> None:
    data = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    compressor = zstandard.ZstdCompressor(level, write_checksum=checksum, write_content_size=sized).compressobj(
        size if sized else -1
    )
    frame = compressor.compress(data) + compressor.flush()
    header = read_header(frame)
    expected = zstandard.get_frame_parameters(frame)
    assert header.size == zstandard.frame_header_size(frame)
    assert header.window == expected.window_size or header.single_segment
    assert header.content == (size if sized else None)
    assert header.checksum == checksum
    assert frame_end(b"front" + frame + b"behind", 5) == 5 + len(frame)
    assert frame_end(frame[:-1]) is None


def test_skippable_frame() -> None:
    assert frame_end(SKIPPABLE + b"behind") == len(SKIPPABLE)
    assert frame_end(SKIPPABLE[:-1]) is None


@pytest.mark.parametrize("data", [b"", b"\x28\xb5\x2f\xfd", b"something", b"\x28\xb5\x2f\xfd\x08\x60\0\0\0", SKIPPABLE])
def test_no_frame(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_header(data)


def test_reserved_block() -> None:
    with pytest.raises(FormatError, match="reserved"):
        frame_end(b"\x28\xb5\x2f\xfd\x04\x60\x07\0\0")
