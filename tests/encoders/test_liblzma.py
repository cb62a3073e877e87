"""liblzma writes what the system's liblzma writes, whatever the pieces, and reads it."""

from __future__ import annotations

import lzma
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders.liblzma import (
    AVAILABLE,
    CHECKS,
    EACH_STREAM,
    VERSION,
    XzDecompressor,
    xz_candidates,
    xz_effort,
    xz_encoder,
    xz_name,
    xz_names,
    xz_parameters,
)
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no liblzma")
USUAL = xz_name("6", "crc64", False)
PRESETS = [f"{preset}{kind}" for preset in range(7) for kind in ("", "e")]


def compress(name: str, data: bytes, piece: int = 100_000) -> bytes:
    encoder = xz_encoder(name)
    return b"".join(encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece)) + encoder.finish()


def decompress(packed: bytes, piece: int = 1000, room: int = 1000) -> tuple[bytes, bytes]:
    """The content, and what follows the stream."""
    decompressor = XzDecompressor()
    out, at = b"", 0
    while not decompressor.eof:
        data = decompressor.unconsumed_tail
        if not data:
            data = packed[at : at + piece]
            at += len(data)
        made = decompressor.decompress(data, room)
        assert len(made) <= room
        assert data or made or decompressor.eof
        out += made
    return out, decompressor.unused_data + packed[at:]


def original(preset: str, check: int, data: bytes) -> bytes:
    extreme = lzma.PRESET_EXTREME if preset.endswith("e") else 0
    return lzma.compress(data, check=check, preset=int(preset[0]) | extreme)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("check", CHECKS)
def test_output_is_that_of_the_system(preset: str, check: str) -> None:
    data = inputs()["tar"]
    assert compress(xz_name(preset, check, False), data) == original(preset, CHECKS[check], data)


@pytest.mark.parametrize("label", ["noise", "mixed", "zeros", "period"])
@pytest.mark.parametrize("preset", ["0", "3", "6", "6e"])
def test_output_is_that_of_the_system_for_any_input(label: str, preset: str) -> None:
    data = inputs()[label]
    assert compress(xz_name(preset, "crc64", False), data) == original(preset, lzma.CHECK_CRC64, data)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (xz_name("6-1MiB", "crc32", False), ["--check=crc32", "--lzma2=dict=1MiB"]),
        (xz_name("1", "crc64", True), ["-1", "-T2"]),
        (xz_name("6", "crc64", True), ["-T2"]),
    ],
)
def test_output_is_that_of_the_command(name: str, options: list[str]) -> None:
    data = inputs()["mebibyte"] * 4  # of which preset 1 makes two blocks
    packed = subprocess.run(["xz", "-c", *options], input=data, capture_output=True, check=True).stdout
    assert compress(name, data) == packed
    assert name in xz_candidates(packed[:64])


@pytest.mark.parametrize("name", [USUAL, xz_name("6", "crc64", True)])
@pytest.mark.parametrize("size", [0, 1, (1 << 16) + 1, 3 << 20])
def test_pieces_make_no_difference(name: str, size: int) -> None:
    data = (inputs()["mebibyte"] * 3)[:size]
    assert len({compress(name, data, piece) for piece in (4099, 1 << 20, 3 << 20)}) == 1


@given(st.integers(1, 300), st.integers(1, 5000), st.binary(max_size=20))
def test_any_pieces_are_read(piece: int, room: int, tail: bytes) -> None:
    data = inputs()["tar"][:20_000] + bytes(20_000)
    assert decompress(lzma.compress(data) + tail, piece, room) == (data, tail)


@given(st.binary(max_size=3000), st.sampled_from(xz_names()))
def test_the_encoder_is_among_the_candidates_of_what_it_writes(data: bytes, name: str) -> None:
    packed = compress(name, data)
    assert lzma.decompress(packed) == data
    assert not data or name in xz_candidates(packed[:64])


@given(st.binary(max_size=40))
def test_any_header_has_candidates_or_none(header: bytes) -> None:
    stream = lzma.compress(b"x")
    assert isinstance(xz_candidates(stream[:6] + header), list)
    assert isinstance(xz_candidates(stream[:12] + header), list)


@pytest.mark.parametrize(
    "options",
    [
        {"preset": 7},
        {"preset": 9},
        {"check": lzma.CHECK_SHA256},
        {"filters": [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]},
        {"format": lzma.FORMAT_ALONE},
    ],
)
def test_other_streams_have_no_candidates_and_are_refused(options: dict[str, Any]) -> None:
    packed = lzma.compress(bytes(99), **options)
    assert xz_candidates(packed) == []
    with pytest.raises(FormatError, match="not an xz stream"):
        decompress(packed)


@pytest.mark.parametrize("packed", [b"\xff" * 40, lzma.compress(bytes(99))[:-8] + bytes(8)])
def test_what_is_no_stream_is_refused(packed: bytes) -> None:
    with pytest.raises(FormatError, match="not an xz stream"):
        decompress(packed)


def test_a_bomb_comes_in_pieces() -> None:
    packed = lzma.compress(bytes(50 << 20), preset=1)
    decompressor = XzDecompressor()
    assert len(packed) < 10_000
    assert len(decompressor.decompress(packed, 1000)) == 1000
    assert not decompressor.eof


@pytest.mark.parametrize(
    "name", ["liblzma-5.8.1-7-crc64", "liblzma-5.8.1-6-sha256", "liblzma-5.4.1-6-crc64", "liblzma-5.8.1-6", "zlib-6"]
)
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="unknown encoder"):
        xz_parameters(name)


def test_names() -> None:
    assert len(set(xz_names())) == (len(PRESETS) + 1) * 2 * len(CHECKS)
    assert xz_names()[0] == USUAL == f"liblzma-{VERSION}-6-crc64"


@pytest.mark.parametrize("preset", ["6", "6e"])
def test_an_encoder_tells_what_it_takes(preset: str) -> None:
    told: list[int] = []
    encoder = xz_encoder(xz_name(preset, "crc64", False), told.append)
    encoder.feed(bytes(100_000))
    encoder.finish()
    assert (
        sum(told) == xz_effort(100_000, preset == "6e") + EACH_STREAM == (200_000 if preset == "6e" else 50_000) + 1024
    )
