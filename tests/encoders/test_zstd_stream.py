"""Frames in views are what libzstd writes, whatever the pieces, and are read so; others are refused."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders import zstd_stream
from airpatch.encoders.libzstd import AVAILABLE
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.encoders.zstd_stream import (
    EACH,
    EACH_LARGE,
    ZstdStreamDecompressor,
    ZstdStreamEncoder,
    once_name,
    once_names,
    zstd_effort,
)
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs
from tests.encoders.support import decompress

needs_libzstd = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no libzstd")
KLAUSPOST = "kzstd-1.18.5-default"


def compress(name: str, data: bytes, piece: int = 100_000) -> bytes:
    encoder = ZstdStreamEncoder(name)
    return b"".join(encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece)) + encoder.finish()


@needs_libzstd
@pytest.mark.skipif(zstandard.ZSTD_VERSION != (1, 5, 7), reason="another libzstd")
@pytest.mark.parametrize("level", [1, 3, 19])
@pytest.mark.parametrize("checksum", [False, True])
def test_at_once_output_is_that_of_the_package(level: int, checksum: bool) -> None:
    data = inputs()["mebibyte"]
    packed = zstandard.ZstdCompressor(level, write_checksum=checksum).compress(data)
    assert compress(once_name("1.5.7", level, checksum), data) == packed


@needs_libzstd
@pytest.mark.parametrize("name", ["libzstd-1.5.7-3", "libzstd-1.5.6-3-sized", "libzstd-1.5.7-1-once", KLAUSPOST])
@pytest.mark.parametrize("size", [1, (1 << 16) + 1, 300_000])
def test_pieces_make_no_difference(name: str, size: int) -> None:
    data = inputs()["mebibyte"][:size]
    packed = {compress(name, data, piece) for piece in (4099, 1 << 17, 1 << 20)}
    assert len(packed) == 1
    assert decompress(ZstdStreamDecompressor(), packed.pop()) == (data, b"")


@given(st.integers(1, 300), st.integers(1, 5000), st.binary(max_size=20), st.booleans())
def test_any_pieces_are_read(piece: int, room: int, tail: bytes, checksum: bool) -> None:
    data = inputs()["tar"][:20_000] + bytes(20_000)
    packed = zstandard.ZstdCompressor(write_checksum=checksum).compress(data)
    assert decompress(ZstdStreamDecompressor(), packed + tail, piece, room) == (data, tail)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_damage_is_refused_or_makes_other_content(at: int, value: int) -> None:
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(inputs()["tar"][:20_000]))
    before = packed[at % len(packed)]
    packed[at % len(packed)] = value
    try:
        content, _ = decompress(ZstdStreamDecompressor(), bytes(packed))
    except (FormatError, EOFError):
        assert value != before
    else:
        assert content == inputs()["tar"][:20_000]


def window(log: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(bytes(99)) + compressor.flush()


RUN = b"\x28\xb5\x2f\xfd\x00\x00"
"""The header of a frame with a window of 1024 bytes."""


@pytest.mark.parametrize(
    ("packed", "defect"),
    [
        (window(24), "window of 16777216 bytes"),
        (RUN[:4] + b"\x01\x00\x07" + bytes(20), "dictionary"),
        (b"\x50\x2a\x4d\x18" + bytes(20), "not a zstd frame"),
        (b"\xff" * 30, "not a zstd frame"),
        (RUN + (1025 << 3 | 2 | 1).to_bytes(3, "little") + b"x", "larger than its window"),
        (RUN + (2 << 1 | 1 << 3 | 1).to_bytes(3, "little") + b"x", "not a zstd frame"),
        (RUN + (3 << 1 | 1 << 3 | 1).to_bytes(3, "little") + b"x", "not a zstd frame"),
        (zstandard.ZstdCompressor(write_checksum=True).compress(bytes(99))[:-1] + b"\0", "not a zstd frame"),
        (RUN[:4] + b"\x20\x05" + (4 << 3 | 2 | 1).to_bytes(3, "little") + b"x", "not a zstd frame"),
    ],
)
def test_other_frames_are_refused(packed: bytes, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        decompress(ZstdStreamDecompressor(), packed)


def test_a_bomb_comes_in_pieces() -> None:
    packed = zstandard.compress(bytes(50 << 20))
    decompressor = ZstdStreamDecompressor()
    assert len(decompressor.decompress(packed, 1000)) == 1000
    assert not decompressor.eof
    assert len(decompressor.unconsumed_tail) > len(packed) - 100


@pytest.mark.parametrize("name", ["libzstd-1.5.7-20", "libzstd-1.5.5-3", "libzstd-1.5.7-3-once-sized", "zlib-6"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="unknown encoder"):
        ZstdStreamEncoder(name)


def test_no_layer_is_written_at_once() -> None:
    assert len(set(once_names())) == 2 * 19 * 2
    for name in once_names():
        with pytest.raises(FormatError, match="unknown encoder"):
            frame_encoder(name)


@needs_libzstd
@pytest.mark.parametrize("name", ["libzstd-1.5.7-3", "libzstd-1.5.7-19", "libzstd-1.5.7-19-sized", KLAUSPOST])
def test_an_encoder_tells_what_it_takes(name: str) -> None:
    told: list[int] = []
    encoder = ZstdStreamEncoder(name, told.append)
    encoder.feed(bytes(160_000))
    encoder.finish()
    assert sum(told) == zstd_effort(name, 160_000)


def test_slow_levels_and_large_tables_count_most() -> None:
    assert zstd_effort("libzstd-1.5.7-3", 16) == EACH + 1
    assert zstd_effort("libzstd-1.5.7-9-mt", 16) == EACH_LARGE + 1
    assert zstd_effort("libzstd-1.5.6-19-nosum", 16) == EACH_LARGE + 16
    assert zstd_effort("libzstd-1.5.6-19-once", 16) == EACH + 16


@needs_libzstd
@pytest.mark.parametrize("name", ["libzstd-1.5.7-3-sized", "libzstd-1.5.7-3-once"])
def test_content_that_is_held_is_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd_stream, "MAX_SIZED", 100)
    encoder = ZstdStreamEncoder(name)
    encoder.feed(bytes(100))
    with pytest.raises(FormatError, match="more than 100 bytes"):
        encoder.feed(b"x")
