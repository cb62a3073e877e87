"""Streams in files of no known kind: each is found with its end, and what merely begins like one is not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard

from airpatch.views import framings
from airpatch.views.finders import embedded_hints
from airpatch.views.finders.embedded_hints import find, may_hold
from airpatch.views.inflating import inflate
from tests.delta.support import noise
from tests.views.support import gz, text

HELD = text(3000, 1)
ZSTD = zstandard.ZstdCompressor().compress(HELD)
ZLIB_HEADER, GZIP_HEADER = 2, 10


def found(data: bytes) -> list[tuple[str, int, int | None]]:
    return [(hint.framing, hint.start, hint.size) for hint in find(memoryview(data), b"file")]


def raw(data: bytes) -> bytes:
    encoder = zlib.compressobj(6, zlib.DEFLATED, -15)
    return encoder.compress(data) + encoder.flush()


@pytest.mark.parametrize("level", [1, 5, 6, 9])  # the four headers of zlib
def test_a_zlib_stream_between_other_bytes(level: int) -> None:
    packed = zlib.compress(HELD, level)
    assert found(noise(90, 1) + packed + noise(90, 2)) == [(framings.ZLIB, 90 + ZLIB_HEADER, len(packed) - ZLIB_HEADER)]


def test_streams_of_all_kinds_one_after_another() -> None:
    packed = [gz(HELD), zlib.compress(HELD), ZSTD, gz(HELD[1:])]
    headers = [GZIP_HEADER, ZLIB_HEADER, 0, GZIP_HEADER]
    starts = [sum(map(len, packed[:number])) + headers[number] for number in range(4)]
    sizes = [len(each) - header for each, header in zip(packed, headers, strict=True)]
    kinds = [framings.GZIP, framings.ZLIB, framings.ZSTD, framings.GZIP]
    assert found(b"".join(packed)) == list(zip(kinds, starts, sizes, strict=True))


def test_each_stream_has_a_name_of_its_own() -> None:
    hints = find(memoryview(zlib.compress(HELD) + ZSTD), b"file")
    assert [hint.name for hint in hints] == [b"file!0", b"file!1.zst!"]


def test_what_lies_within_a_stream_is_not_found_beside_it() -> None:
    stored = zlib.compress(zlib.compress(HELD), 0)
    assert found(stored) == [(framings.ZLIB, ZLIB_HEADER, len(stored) - ZLIB_HEADER)]


def test_the_trailer_may_be_cut_short() -> None:
    packed = zlib.compress(HELD)
    assert found(packed[:-1]) == [(framings.ZLIB, ZLIB_HEADER, len(packed) - 1 - ZLIB_HEADER)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x1f\x8b\x08",
        b"x\x9c" * 1000,
        b"x\x01\x02\x03" * 1000,
        b"\x1f\x8b\x08\xff" * 1000,
        b"\x28\xb5\x2f\xfd" * 1000,
        b"x\x9d" + raw(HELD),
        zlib.compress(HELD)[:-40],
        gz(HELD)[:-40],
        ZSTD[:-40],
        zlib.compress(bytes(1 << 22)),
    ],
)
def test_what_is_no_stream_is_not_found(data: bytes) -> None:
    assert found(data) == []


def test_a_small_stream_is_not_worth_it() -> None:
    packed = zlib.compress(noise(40, 1))
    assert found(packed + bytes(100)) == []


def test_text_is_not_looked_at() -> None:
    assert not may_hold(HELD)
    assert may_hold(b"PAR1\x15\x04")


def test_beginnings_that_lie_in_each_other_do_not_take_the_square_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins a frame whose blocks go on to the end of the file, where it turns out to be cut short."""
    step, block = 32, 32 * 64 - 3
    begin = zstandard.MAGIC_NUMBER.to_bytes(4, "little") + b"\0\x38" + (block << 3).to_bytes(3, "little")
    data = begin.ljust(step, b"\0") * 4096
    read = []

    def counted(*args: Any) -> Iterator[tuple[bytes, int]]:
        for piece, end in inflate(*args):
            read.append(len(piece))
            yield piece, end

    monkeypatch.setattr(embedded_hints, "inflate", counted)
    assert found(data) == []
    assert len(data) < sum(read) < 32 * len(data)
