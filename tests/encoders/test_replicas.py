"""One conformance suite for every replica: it writes what the real encoder wrote, however it is fed."""

from __future__ import annotations

import hashlib
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders.replicas import deflater, usual_names
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs
from tests.encoders.support import (
    COMPILED,
    DIGESTS,
    FIXTURES,
    NAMES,
    SAME_ZLIB,
    SMALL,
    deflate,
    quick_and_slow,
    repetitive,
)


def test_every_replica_has_an_oracle() -> None:
    by_other_level = {name for name in NAMES if "-mem" in name and name[:6] not in ("zlib-1", "zlib-6")}
    assert set(NAMES) - by_other_level == set(DIGESTS)


@pytest.mark.parametrize("name", quick_and_slow(DIGESTS))
def test_output_is_the_encoders(name: str) -> None:
    expected = {label: digest for label, digest in DIGESTS[name].items() if COMPILED or len(inputs()[label]) <= SMALL}
    found = {label: hashlib.sha256(deflate(name, inputs()[label])).hexdigest()[:32] for label in expected}
    assert found == expected


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.gz")), ids=lambda path: path.stem)
def test_kept_output_is_rebuilt(path: Path) -> None:
    assert deflate(path.stem.replace("_", "/"), inputs()["tar"]) == path.read_bytes()[10:-8]


@pytest.mark.parametrize("name", [*usual_names(), "zlib-ng-2.2.5-6", "zlib-ng-2.2.5-6-8k", "zlib-ng-2.3.3-9"])
def test_pieces_do_not_matter(name: str) -> None:
    data = inputs()["128 KiB" if COMPILED else "first 300"]
    generator = random.Random(name)
    encoder = deflater(name)
    out = bytearray()
    at = 0
    while at < len(data):
        size = generator.choice((0, 1, 511, 512, 4096, 65535, 65536))
        out += encoder.feed(data[at : at + size])
        at += size
    assert bytes(out) + encoder.finish() == deflate(name, data, len(data))


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
@pytest.mark.parametrize("name", ["pgzip/klauspost-1.18.2-5", "pigz-6", "pigz-6-rsyncable"])
def test_pool_does_not_matter(name: str) -> None:
    data = inputs()["long"]
    with ThreadPoolExecutor(2) as pool:
        encoder = deflater(name, pool)
        out = b"".join(encoder.feed(data[at : at + 300_000]) for at in range(0, len(data), 300_000))
        assert out + encoder.finish() == deflate(name, data)


@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.sampled_from(NAMES), repetitive())
def test_output_inflates(name: str, data: bytes) -> None:
    inflater = zlib.decompressobj(wbits=-15)
    assert inflater.decompress(deflate(name, data)) == data
    assert inflater.eof
    assert not inflater.unused_data


@pytest.mark.skipif(zlib.ZLIB_RUNTIME_VERSION not in SAME_ZLIB, reason="another zlib")
@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), repetitive())
def test_zlib_is_the_systems(level: int, memory_level: int, data: bytes) -> None:
    name = f"zlib-{level}" if memory_level == 8 else f"zlib-{level}-mem{memory_level}"
    real = zlib.compressobj(level, zlib.DEFLATED, -15, memory_level)
    assert deflate(name, data) == real.compress(data) + real.flush()


def test_unknown_name() -> None:
    with pytest.raises(FormatError):
        deflater("zlib-10")
