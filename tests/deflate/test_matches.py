"""Tokens as columns come back; sources that cannot be are refused."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.matches import TokenDecoder, TokenEncoder
from airpatch.errors import FormatError
from tests.deflate.support import token_lists


def reader(data: bytes) -> Callable[[int], bytes]:
    return io.BytesIO(data).read


def columns(tokens: array[int], uncompressed: bytes) -> tuple[bytes, bytes, bytes]:
    encoder = TokenEncoder()
    runs, sources, distances = encoder.add(uncompressed, tokens)
    last_run, last_source = encoder.finish()
    return runs + last_run, sources + last_source, distances


@given(token_lists(), st.integers(1, 50))
def test_tokens_come_back(made: tuple[array[int], bytes], piece: int) -> None:
    tokens, uncompressed = array("I", [token & 0x1FFFFFF for token in made[0]]), made[1]
    decoder = TokenDecoder(*map(reader, (uncompressed, *columns(tokens, uncompressed))))
    got = array("I")
    while len(got) < len(tokens):
        got += decoder.tokens(min(piece, len(tokens) - len(got)))
    decoder.end()
    assert got == tokens
    assert decoder.size == len(uncompressed)


def test_the_nearest_source_costs_nothing() -> None:
    # "abcd" at 0, 6 and 12: at 12 the nearest is 6 back.
    uncompressed = b"abcd..abcd--abcd"
    tokens = array("I", [*uncompressed[:6], 4 << 16 | 6, *b"--", 4 << 16 | 6])
    assert columns(tokens, uncompressed) == (bytes([6, 1, 2, 1, 0]), bytes([2]), b"")
    # 12 back is the second nearest: after one of rank 0, rank 1.
    tokens[-1] = 4 << 16 | 12
    assert columns(tokens, uncompressed) == (bytes([6, 1, 2, 1, 0]), bytes([1, 1, 0]), b"")


def test_short_matches_and_hidden_sources_tell_their_distance() -> None:
    tokens = array("I", [*b"abc", 3 << 16 | 3])
    assert columns(tokens, b"abcabc") == (bytes([3, 0, 0]), bytes([0]), b"\x02\x00")
    # 300 nearer places with the same four bytes hide the one that is meant.
    uncompressed = b"abcdX" + b"abcd-" * 300 + b"abcd"
    tokens = array("I", [*uncompressed[:-4], 4 << 16 | 1505])
    runs, sources, distances = columns(tokens, uncompressed)
    assert (sources, distances) == (bytes([0, 255, 0]), (1504).to_bytes(2, "little"))
    decoder = TokenDecoder(*map(reader, (uncompressed, runs, sources, distances)))
    assert decoder.tokens(len(tokens)) == tokens


def test_long_counts() -> None:
    uncompressed = bytes(range(256)) * 2 + b"!" * 4
    tokens = array("I", [*uncompressed[:256], 256 << 16 | 256, *b"!!!!"])
    runs, _, _ = columns(tokens, uncompressed)
    assert runs == bytes([255, 1, 253, 4])


def test_history_slides() -> None:
    # Blocks of noise and repeats, over ten times the buffer.
    encoder = TokenEncoder()
    parts = []
    tokens = array("I")
    uncompressed = bytearray()
    for turn in range(50):
        noise = bytes((turn * 7 + i * i * 31 >> 3) & 0xFF for i in range(20_000))
        part = noise + noise[:258] * 200
        step = array("I", [*noise, *[258 << 16 | 20_000], *[258 << 16 | 258] * 199])
        uncompressed += part
        tokens += step
        parts.append(encoder.add(part, step))
    runs, sources, distances = map(b"".join, zip(*parts, strict=True))
    last_run, last_source = encoder.finish()
    decoder = TokenDecoder(*map(reader, (bytes(uncompressed), runs + last_run, sources + last_source, distances)))
    got = array("I")
    for at in range(0, len(tokens), 5000):
        got += decoder.tokens(min(5000, len(tokens) - at))
    decoder.end()
    assert got == tokens


@pytest.mark.parametrize(
    ("uncompressed", "runs", "sources", "distances"),
    [
        (b"", b"\1", b"\0", b""),  # uncompressed data ends early
        (b"abcabc", b"\3\0\0", b"\0", b"\5\0"),  # reaches back before the beginning
        (b"abcabc", b"\3\0\0", b"\0", b"\xff\xff"),
        (b"abcdabcd", b"\4\1\0", b"\0\1\0", b""),  # no second source
        (b"abcdefgh", b"\4\1\0", b"\1", b""),  # no source at all
        (b"abcdabcd", b"\4\1\0", b"", b""),  # columns end early
        (b"abcdabcd", b"\4", b"\1", b""),
        (b"abcabc", b"\3\0\0", b"\0", b"\2"),
    ],
)
def test_adversary_35_impossible_sources_are_refused(
    uncompressed: bytes, runs: bytes, sources: bytes, distances: bytes
) -> None:
    decoder = TokenDecoder(*map(reader, (uncompressed, runs, sources, distances)))
    with pytest.raises(FormatError):
        decoder.tokens(5)


def test_left_overs_are_refused() -> None:
    good = (b"abcdabcd", b"\4\1\0", b"\1", b"")
    decoder = TokenDecoder(*map(reader, good))
    decoder.tokens(5)
    decoder.end()
    for index in range(4):
        decoder = TokenDecoder(*(reader(data + b"\0" * (i == index)) for i, data in enumerate(good)))
        decoder.tokens(5)
        with pytest.raises(FormatError):
            decoder.end()
