"""How a layer is compressed, and by which encoder, as `inspect --layers` says it."""

from __future__ import annotations

import zlib

import pytest

from airpatch.blobs.content import BytesBlob
from airpatch.layers.compression import Compression
from airpatch.report.layer_encodings import examine
from tests.layers.support import replica, text, zstd

CONTENT = text(20_000, 1)


def members(*names: str) -> bytes:
    """A member by each encoder."""
    return b"".join(replica(name)(CONTENT) for name in names)


@pytest.mark.parametrize(
    ("blob", "kind", "encoder"),
    [
        (CONTENT, Compression.NONE, None),
        (members("zlib-9"), Compression.GZIP, "zlib-9"),
        (members("zlib-9-flushed"), Compression.GZIP, "zlib-9-flushed"),
        (members("go1-flate-9-flushed", "go1-flate-9-flushed"), Compression.GZIP, "go1-flate-9-flushed"),
        (members("zlib-9", "zlib-9-flushed"), Compression.GZIP, "zlib-9-flushed"),
        (members("zlib-9", "go1-flate-1"), Compression.GZIP, None),
        (zstd(CONTENT), Compression.ZSTD, None),
    ],
    ids=["plain", "gzip", "flushed", "members", "members, some flushed", "members by two encoders", "zstd"],
)
def test_the_encoder_of_all_of_a_layer_is_named(blob: bytes, kind: Compression, encoder: str | None) -> None:
    found = examine(BytesBlob(blob), len(blob))
    assert found.compression is kind
    assert encoder in found.encoders if encoder is not None else not found.encoders


def test_of_a_damaged_layer_nothing_is_known() -> None:
    blob = zlib.compress(CONTENT, 9, 31)[:-9]
    assert examine(BytesBlob(blob), len(blob)).encoders == ()
