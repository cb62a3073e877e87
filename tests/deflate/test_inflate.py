"""Streams are decoded however they are cut into pieces, within fixed buffers."""

from __future__ import annotations

import zlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.inflate import SPAN, TOKENS, Inflater, Status
from airpatch.errors import FormatError


def inflate(data: bytes, piece: int) -> tuple[bytes, array[int], bytes]:
    """Return uncompressed data, tokens and the bytes after a raw stream that is fed in pieces."""
    inflater = Inflater()
    pieces = iter([data[at : at + piece] for at in range(0, len(data), piece)])
    uncompressed, tokens = b"", array("I")
    while True:
        while (block := inflater.block()) is None:
            inflater.feed(next(pieces))
        while (status := inflater.run()) is not Status.DONE:
            uncompressed += inflater.uncompressed()
            tokens += inflater.tokens()
            if status is Status.HUNGRY:
                inflater.feed(next(pieces))
        uncompressed += inflater.uncompressed()
        tokens += inflater.tokens()
        if block.final:
            inflater.align()
            return uncompressed, tokens, inflater.read(len(data)) + b"".join(pieces)


@given(st.binary(max_size=500), st.integers(0, 9), st.integers(1, 9), st.binary(max_size=9))
def test_streams_in_pieces(uncompressed: bytes, level: int, piece: int, tail: bytes) -> None:
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = encoder.compress(uncompressed * 3) + encoder.flush()
    got, tokens, rest = inflate(data + tail, piece)
    assert got == uncompressed * 3
    assert rest == tail
    if level:
        assert sum(token >> 16 or 1 for token in tokens) == len(uncompressed) * 3


def test_long_streams_stay_within_the_buffers() -> None:
    uncompressed = bytes(range(256)) * 4000 + bytes(1_000_000)
    inflater = Inflater()
    inflater.feed(zlib.compress(uncompressed, wbits=-15))
    got = 0
    while True:
        block = inflater.block()
        assert block is not None
        while (status := inflater.run()) is Status.MORE:
            part, tokens = inflater.uncompressed(), inflater.tokens()
            assert len(part) <= SPAN + 32768 + 258
            assert len(tokens) <= TOKENS
            got += len(part)
        assert status is Status.DONE
        if block.final:
            break
    assert got + len(inflater.uncompressed()) == len(uncompressed)


def test_tokens_alone_are_those_of_the_content() -> None:
    data = zlib.compress(bytes(range(256)) * 400 + b"abcabcabd" * 20_000, wbits=-15)
    tokens = {True: array("I"), False: array("I")}
    sizes = {True: 0, False: 0}
    for keeps in (True, False):
        inflater = Inflater(keeps)
        inflater.feed(data)
        while (block := inflater.block()) is not None:
            status = Status.MORE
            while status is Status.MORE:
                status = inflater.run()
                tokens[keeps] += inflater.tokens()
                sizes[keeps] += inflater.skip() if not keeps else len(inflater.uncompressed())
            if block.final:
                break
    assert tokens[False] == tokens[True]
    assert sizes[False] == sizes[True] == 256 * 400 + 9 * 20_000


def test_a_limit_of_tokens() -> None:
    inflater = Inflater()
    inflater.feed(zlib.compress(b"abcdef", wbits=-15))
    inflater.block()
    assert [inflater.run(2), list(inflater.tokens())] == [Status.MORE, [97, 98]]
    assert [inflater.run(4), list(inflater.tokens())] == [Status.MORE, [99, 100, 101, 102]]
    assert inflater.run(1) is Status.DONE


def test_adversary_36_a_new_stream_does_not_reach_the_old_one() -> None:
    first = zlib.compress(b"abc" * 9, wbits=-15)
    inflater = Inflater()
    inflater.feed(first + b"\x03\x02\x00")
    inflater.block()
    assert inflater.run() is Status.DONE
    inflater.align()
    inflater.restart()
    inflater.block()
    with pytest.raises(FormatError):
        inflater.run()


def test_adversary_36_incomplete_codes_are_refused_as_zlib_refuses_them() -> None:
    # HLIT 257, HDIST 1; code length code of two-bit codes for 0, 1 and 18 alone.
    inflater = Inflater()
    inflater.feed(bytes.fromhex("0500000000000000"))
    with pytest.raises(FormatError):
        inflater.block()
