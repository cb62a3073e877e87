"""The replica that comes nearest to an encoder that none of them is."""

from __future__ import annotations

import gzip
import zlib

import pytest

from airpatch.errors import FormatError
from airpatch.layers.nearest_replica import START, nearest_replica
from tests.delta.support import noise
from tests.layers.support import layer, replica

UNCOMPRESSED = layer(*range(4), size=40_000)


def flushing(level: int, memory_level: int = 8) -> bytes:
    """What no replica writes: zlib, flushed again and again."""
    encoder = zlib.compressobj(level, zlib.DEFLATED, 31, memory_level)
    pieces = (UNCOMPRESSED[at : at + 9000] for at in range(0, len(UNCOMPRESSED), 9000))
    return b"".join([*(encoder.compress(p) + encoder.flush(zlib.Z_SYNC_FLUSH) for p in pieces), encoder.flush()])


@pytest.mark.parametrize("level", [1, 6, 9])
def test_the_level_is_found(level: int) -> None:
    """gzip and pigz have zlib's matches, too."""
    found = nearest_replica(flushing(level))
    assert found in {f"{name}-{level}" for name in ("zlib", "gzip", "pigz")}


def test_members_are_near_to_the_encoder_of_each() -> None:
    encode = replica("go1-flate-6")
    file = b"".join(encode(UNCOMPRESSED[at : at + 30_000]) for at in range(0, len(UNCOMPRESSED), 30_000))
    assert nearest_replica(file) == "go1-flate-6"


def test_a_beginning_will_do() -> None:
    file = flushing(6) * 2
    assert len(file) > START
    assert nearest_replica(file[:START]) == nearest_replica(file)


def test_where_nothing_matches_nothing_is_near() -> None:
    assert nearest_replica(gzip.compress(noise(3000, 1), 0)) is None


@pytest.mark.parametrize("start", [b"no gzip file at all", gzip.compress(b"x" * 999, mtime=0)[:20] + b"\xff" * 40])
def test_what_is_no_gzip_file_is_refused(start: bytes) -> None:
    with pytest.raises(FormatError):
        nearest_replica(start)
