"""The vectors of fixtures/delta: what readers must make of them, and that the generator still writes them."""

from __future__ import annotations

import hashlib
import io

import pytest

from airpatch.delta.decoder import decode
from airpatch.errors import FormatError
from fixtures.delta.by_hand import one_check
from fixtures.delta.generate import HERE, bad, good
from fixtures.delta.vectors import BAD, Vector

VECTORS = [*good(), *bad(), *one_check()]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector) -> None:
    lines = (HERE / f"{vector.name}.txt").read_text().splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    sources = [bytes.fromhex(line[8:]) for line in lines if line.startswith("source: ")]
    delta = io.BytesIO(bytes.fromhex(fields["delta"]))
    if fields["expect"] == BAD:
        with pytest.raises(FormatError):
            list(decode(delta, sources, int(fields["max"])))
    else:
        target = b"".join(decode(delta, sources, int(fields["max"])))
        assert hashlib.sha256(target).hexdigest() == fields["expect"]


def test_vectors_are_those_of_the_generator() -> None:
    written = {path.name: path.read_text() for path in HERE.glob("*.txt")}
    assert written == {f"{vector.name}.txt": vector.text() for vector in VECTORS}


@pytest.mark.parametrize("vector", list(good()), ids=lambda vector: vector.name)
def test_cut_at_every_byte(vector: Vector) -> None:  # threat 37
    for end in range(len(vector.delta)):
        with pytest.raises(FormatError):
            list(decode(io.BytesIO(vector.delta[:end]), vector.sources, vector.limit))


@pytest.mark.parametrize("vector", list(good()), ids=lambda vector: vector.name)
def test_every_bit_flipped(vector: Vector) -> None:  # threat 38
    for at in range(8 * len(vector.delta)):
        delta = bytearray(vector.delta)
        delta[at // 8] ^= 1 << at % 8
        try:
            target = b"".join(decode(io.BytesIO(delta), vector.sources, vector.limit))
        except FormatError:
            continue
        assert len(target) <= vector.limit


class _Trickle:
    """Gives one byte a call."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1))


@pytest.mark.parametrize("vector", list(good()), ids=lambda vector: vector.name)
def test_byte_by_byte(vector: Vector) -> None:
    assert b"".join(decode(_Trickle(vector.delta), vector.sources, vector.limit)) == vector.expect
