"""libzstd writes what the library of its version wrote, and is recognised."""

from __future__ import annotations

import hashlib
import io

import pytest
import zstandard

from airpatch.encoders.libzstd import AVAILABLE
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.encoders.zstd_replicas import frame_encoder, libzstd_name
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs, zstd_inputs

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no libzstd")


def compress(name: str, data: bytes, piece: int = 100_000) -> bytes:
    encoder = frame_encoder(name)
    encoder.begin(len(data))
    out = b"".join(encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece))
    return out + encoder.finish()


def original(data: bytes, level: int, workers: int, sized: bool, checksum: bool) -> bytes:
    compressor = zstandard.ZstdCompressor(
        level, threads=workers, write_checksum=checksum, write_content_size=sized
    ).compressobj(len(data) if sized else -1)
    return b"".join(
        [*(compressor.compress(data[at : at + 65_000]) for at in range(0, len(data), 65_000)), compressor.flush()]
    )


@pytest.mark.skipif(zstandard.ZSTD_VERSION != (1, 5, 7), reason="another libzstd")
@pytest.mark.parametrize("level", [1, 3, 6, 9, 19])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("sized", [False, True])
def test_output_is_that_of_the_package(level: int, workers: int, sized: bool) -> None:
    data = inputs()["tar"]
    name = libzstd_name("1.5.7", level, bool(workers), sized, True)
    assert compress(name, data) == original(data, level, workers, sized, True)


DIGESTS = {
    ("libzstd-1.5.6-1", "tar"): "e22a7916d03751f1b259997889b85452",
    ("libzstd-1.5.6-1-sized", "tar"): "1398e926f741e10e4b3bdc3e7226b6ff",
    ("libzstd-1.5.6-1-mt", "tar"): "e22a7916d03751f1b259997889b85452",
    ("libzstd-1.5.6-1-mt-sized", "tar"): "1398e926f741e10e4b3bdc3e7226b6ff",
    ("libzstd-1.5.6-3", "tar"): "15b950722c839cbd0e25673b17508de9",
    ("libzstd-1.5.6-3-sized", "tar"): "0cb4473372846371a41dd9c6c71daf73",
    ("libzstd-1.5.6-3-mt", "tar"): "15b950722c839cbd0e25673b17508de9",
    ("libzstd-1.5.6-3-mt-sized", "tar"): "0cb4473372846371a41dd9c6c71daf73",
    ("libzstd-1.5.6-19", "tar"): "85185754479d423e88b2a8bf17c7efc0",
    ("libzstd-1.5.6-19-sized", "tar"): "67b44bcde91271990acee4132198f07a",
    ("libzstd-1.5.6-19-mt", "tar"): "85185754479d423e88b2a8bf17c7efc0",
    ("libzstd-1.5.6-19-mt-sized", "tar"): "67b44bcde91271990acee4132198f07a",
    ("libzstd-1.5.6-1", "long"): "3977f579b5620659dcc0dadb8cf04cb2",
    ("libzstd-1.5.6-1-sized", "long"): "4fa4da7805290ed60c6c4e25a03cd690",
    ("libzstd-1.5.6-1-mt", "long"): "3977f579b5620659dcc0dadb8cf04cb2",
    ("libzstd-1.5.6-1-mt-sized", "long"): "4fa4da7805290ed60c6c4e25a03cd690",
    ("libzstd-1.5.6-3", "long"): "ae16b418f436a6d5b10d53d4e2197de0",
    ("libzstd-1.5.6-3-sized", "long"): "b7f40097f119913134bfe24413e43f55",
    ("libzstd-1.5.6-3-mt", "long"): "ae16b418f436a6d5b10d53d4e2197de0",
    ("libzstd-1.5.6-3-mt-sized", "long"): "b7f40097f119913134bfe24413e43f55",
}
"""Of what zstandard 0.23.0 writes, whose libzstd is 1.5.6: the first 128 bits of the SHA-256."""


@pytest.mark.parametrize(("name", "label"), DIGESTS)
def test_output_is_that_of_1_5_6(name: str, label: str) -> None:
    assert hashlib.sha256(compress(name, inputs()[label])).hexdigest()[:32] == DIGESTS[name, label]


@pytest.mark.parametrize("version", [pytest.param("1.5.6", marks=pytest.mark.slow), "1.5.7"])
@pytest.mark.parametrize("level", [1, 3, 9, 19])
@pytest.mark.parametrize("sized", [False, True])
def test_recognition(version: str, level: int, sized: bool) -> None:
    name = libzstd_name(version, level, True, sized, False)
    data = zstd_inputs("kzstd-1.17.8-default")["windows"][: 3 << 19]
    frame = compress(name, data)
    assert name in recognise_frames(frame)
    assert name in recognise_frames(frame[: len(frame) * 3 // 4])


def test_flushed_frames_decompress() -> None:
    data = inputs()["tar"]
    encoder = frame_encoder("libzstd-1.5.7-3-mt")
    encoder.begin(len(data))
    out = encoder.feed(data[:1000]) + encoder.flush()
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(out)).read(1000) == data[:1000]
    out += encoder.feed(data[1000:]) + encoder.finish()
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(out)).read() == data


@pytest.mark.parametrize(
    "name", ["libzstd-1.5.5-3", "libzstd-1.5.7-20", "libzstd-1.5.7-0", "libzstd-1.5.7-3-x", "libzstd-"]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(FormatError):
        frame_encoder(name)


def test_another_size_than_told() -> None:
    encoder = frame_encoder("libzstd-1.5.6-3-sized")
    encoder.begin(10)
    encoder.feed(b"nine byte")
    with pytest.raises(FormatError):
        encoder.finish()
