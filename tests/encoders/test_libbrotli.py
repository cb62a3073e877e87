"""libbrotli writes what PyPI's brotli writes, whatever the pieces, and reads it."""

from __future__ import annotations

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders.libbrotli import (
    AVAILABLE,
    EACH_STREAM,
    QUALITIES,
    VERSION,
    WINDOWS,
    BrotliDecompressor,
    brotli_encoder,
    brotli_name,
    brotli_names,
)
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs
from tests.encoders.support import decompress

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no libbrotli")


def compress(name: str, data: bytes, piece: int = 100_000) -> bytes:
    encoder = brotli_encoder(name)
    return b"".join(encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece)) + encoder.finish()


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("window", [10, 16, 17, 18, 22])
def test_output_is_that_of_the_package(quality: int, window: int) -> None:
    data = inputs()["tar"]
    assert compress(brotli_name(quality, window), data) == brotli.compress(data, quality=quality, lgwin=window)


@pytest.mark.parametrize("label", ["noise", "mixed", "zeros", "period"])
@pytest.mark.parametrize("quality", [5, 9, 11])
def test_output_is_that_of_the_package_for_any_input(label: str, quality: int) -> None:
    data = inputs()[label]
    assert compress(brotli_name(quality, 22), data) == brotli.compress(data, quality=quality, lgwin=22)


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 18])
@pytest.mark.parametrize("quality", [4, 5, 9, 11])
def test_pieces_make_no_difference(size: int, quality: int) -> None:
    data = (inputs()["mebibyte"] * 2)[:size]
    original = brotli.compress(data, quality=quality, lgwin=22)
    for piece in (4099, 1 << 18, 1 << 20):
        assert compress(brotli_name(quality, 22), data, piece) == original


@given(st.integers(1, 300), st.integers(1, 5000), st.binary(max_size=20))
def test_any_pieces_are_read(piece: int, room: int, tail: bytes) -> None:
    data = inputs()["tar"][:20_000] + bytes(20_000)
    assert decompress(BrotliDecompressor(), brotli.compress(data, quality=5) + tail, piece, room) == (data, tail)


@pytest.mark.parametrize("packed", [b"\xff" * 40, b"\x11" + bytes(9), brotli.compress(bytes(99))[:-1] + b"\xff\xff"])
def test_what_is_no_stream_is_refused(packed: bytes) -> None:
    with pytest.raises(FormatError, match="not a brotli stream"):
        decompress(BrotliDecompressor(), packed)


def test_a_large_window_is_refused() -> None:
    """Bits 4 to 6 say that such a one follows (RFC 9841)."""
    with pytest.raises(FormatError, match="not a brotli stream"):
        decompress(BrotliDecompressor(), b"\x11\x1e" + bytes(100))


def test_a_bomb_comes_in_pieces() -> None:
    packed = brotli.compress(bytes(50 << 20), quality=5)
    decompressor = BrotliDecompressor()
    assert len(packed) < 200
    assert len(decompressor.decompress(packed, 1000)) == 1000
    assert not decompressor.eof


@pytest.mark.parametrize("name", ["libbrotli-1.2.1-3-22", "libbrotli-1.2.1-11-24", "libbrotli-1.1.0-11-22", "zlib-6"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="unknown encoder"):
        brotli_encoder(name)


def test_names() -> None:
    assert len(brotli_names()) == len(QUALITIES) * len(WINDOWS)
    assert f"libbrotli-{VERSION}-11-22" in brotli_names()


@pytest.mark.parametrize(("quality", "told"), [(9, 0), (10, 2_000_000), (11, 2_000_000)])
def test_slow_qualities_tell_what_they_make(quality: int, told: int) -> None:
    sizes: list[int] = []
    encoder = brotli_encoder(brotli_name(quality, 22), sizes.append)
    encoder.feed(bytes(1_500_000))
    encoder.feed(bytes(500_000))
    encoder.finish()
    assert sum(sizes) == (told and told + EACH_STREAM)
