"""Streams that were flushed before their end are those of zlib's own flush, and are told by what they end with."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders.flushed import FILE_END, ends_flushed, file_ends_flushed
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import flushed_name, flushed_names
from fixtures.encoders.inputs import inputs
from tests.encoders.support import COMPILED, NAMES, SAME_ZLIB, deflate, repetitive
from tests.layers.support import replica

needs_zlib = pytest.mark.skipif(zlib.ZLIB_RUNTIME_VERSION not in SAME_ZLIB, reason="another zlib")
FIXTURE = Path(__file__).parents[2] / "fixtures" / "encoders" / "zlib-9-flushed.gz"


@needs_zlib
@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.integers(1, 9), st.sampled_from((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)), repetitive())
def test_zlib_is_the_systems(level: int, flush: int, data: bytes) -> None:
    real = zlib.compressobj(level, zlib.DEFLATED, -15)
    assert deflate(f"zlib-{level}-flushed", data) == real.compress(data) + real.flush(flush) + real.flush()


@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.sampled_from(flushed_names()), repetitive())
def test_a_flush_adds_an_empty_block_and_nothing_to_the_content(name: str, data: bytes) -> None:
    made = deflate(name, data)
    inflater = zlib.decompressobj(wbits=-15)
    assert inflater.decompress(made) == data
    assert inflater.eof
    assert ends_flushed(made)


@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.sampled_from([name for name in NAMES if flushed_name(name)]), repetitive())
def test_the_end_tells_what_was_flushed(name: str, data: bytes) -> None:
    plain, flushed = (replica(each)(data) for each in (name, f"{name}-flushed"))
    assert [file_ends_flushed(file[-FILE_END:]) for file in (plain, flushed)] == [False, True]


def test_too_short_an_end_is_of_none() -> None:
    assert not any(file_ends_flushed(bytes(size)) for size in range(FILE_END + 1))


@needs_zlib
def test_python_flushes_what_it_writes_as_text(tmp_path: Path) -> None:
    text = inputs()["tar"].decode("latin-1")[:50_000]
    with gzip.open(tmp_path / "file", "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    assert "zlib-9-flushed" in recognise((tmp_path / "file").read_bytes())


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
def test_a_beginning_does_not_tell_but_who_knows_the_end() -> None:
    start = FIXTURE.read_bytes()[:40_000]
    assert recognise(start) == ["zlib-9", "pigz-9"]
    assert recognise(start, flushed=True) == ["zlib-9-flushed", "pigz-9"]
    assert recognise(FIXTURE.read_bytes()) == ["zlib-9-flushed"]


def test_of_an_encoder_without_a_flushed_one_none_is_made_up() -> None:
    assert flushed_name("zlib-9") == "zlib-9-flushed"
    assert flushed_name("zlib-9-flushed") is flushed_name("pigz-9") is flushed_name("none") is None
