"""zopfli writes what PyPI's zopfli writes, whatever the pieces."""

from __future__ import annotations

import zlib

import pytest
import zopfli.zlib

from airpatch.encoders.libzopfli import AVAILABLE, zopfli_deflater, zopfli_names
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
