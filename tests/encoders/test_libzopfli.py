"""zopfli writes what PyPI's zopfli writes, whatever the pieces."""

from __future__ import annotations

import zlib

import pytest
import zopfli.zlib

from airpatch.encoders.libzopfli import (
    AVAILABLE,
    EACH_STREAM,
    USUAL,
    zopfli_deflater,
    zopfli_effort,
    zopfli_names,
)
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no zopfli")
NAME = "zopfli-1.0.3-15"


def compress(data: bytes, piece: int = 50_000) -> bytes:
    encoder = zopfli_deflater(NAME)
    return b"".join(encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece)) + encoder.finish()


def original(data: bytes) -> bytes:
    return bytes(zopfli.zlib.compress(data, numiterations=15)[2:-4])


@pytest.mark.parametrize("label", ["tar", "mixed", "noise", "zeros"])
def test_output_is_that_of_the_package(label: str) -> None:
    data = inputs()[label][:100_000]
    assert compress(data) == original(data)


@pytest.mark.parametrize("size", [0, 1, 2, 300])
def test_output_for_little(size: int) -> None:
    data = inputs()["tar"][:size]
    assert compress(data) == compress(data, 1) == original(data)


def test_more_than_is_compressed_at_a_time() -> None:
    """Blocks of a million bytes, of which each has a window before it, and begins within a byte."""
    data = bytes(990_000) + inputs()["tar"][:30_000] + bytes(980_000) + inputs()["tar"][:30_000]
    packed = compress(data, 300_001)
    assert packed == original(data)
    assert zlib.decompress(packed, -15) == data


def test_an_unknown_name_is_refused() -> None:
    assert zopfli_names() == (NAME,)
    with pytest.raises(FormatError, match="unknown encoder"):
        zopfli_deflater("zopfli-1.0.3-14")


@pytest.mark.parametrize(
    ("content", "least", "most"),
    [
        pytest.param(inputs()["tar"][:50_000], 1, 2, id="usual"),
        pytest.param(inputs()["noise"][:50_000], 1, 1, id="noise"),
        pytest.param(bytes(50_000), 1, 2, id="zeros, over which zopfli passes"),
        pytest.param(bytes(b"ab"[byte & 1] for byte in inputs()["noise"][:50_000]), 8, 16, id="two letters"),
        pytest.param(b"ab" * 25_000, 20, 32, id="a period of two"),
    ],
)
def test_content_in_which_the_same_is_found_often_takes_more(content: bytes, least: int, most: int) -> None:
    assert least <= zopfli_effort(content) / (USUAL * len(content)) <= most


def test_a_window_before_it_counts() -> None:
    two = bytes(b"ab"[byte & 1] for byte in inputs()["noise"][:34_000])
    assert zopfli_effort(two, 32 << 10) > 5 * zopfli_effort(two[32 << 10 :])
    assert zopfli_effort(two + inputs()["noise"][:40_000], 74_000 - 1000) == USUAL * 1000


def test_effort_is_told_before_it_is_made() -> None:
    def spend(effort: int) -> None:
        told.append(effort)
        if len(told) == 2:
            raise FormatError("enough")

    told: list[int] = []
    encoder = zopfli_deflater(NAME, spend)
    encoder.feed(bytes(1_000_000))
    assert not told
    encoder.feed(b"x")
    assert told[0] >= EACH_STREAM + USUAL * 1_000_000
    with pytest.raises(FormatError, match="enough"):
        encoder.finish()
