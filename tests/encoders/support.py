"""What the tests of encoder replicas share: their names, their kept output, and uncompressed data that has matches."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Protocol

import pytest
import zstandard
from hypothesis import strategies as st

from airpatch.encoders import zlib_match
from airpatch.encoders.replicas import deflater, flushed_names, other_names, usual_names
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_decisions import ParsedPiece, parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "encoders"
DIGESTS: dict[str, dict[str, str]] = json.loads((FIXTURES / "digests.json").read_text())
NAMES = usual_names() + other_names() + flushed_names()
COMPILED = str(zlib_match.__file__).endswith(".so")
SMALL = 2000  # uncompiled, the replicas are some hundred times slower
# zlib versions that decide alike; others (zlib-ng, chromium's) say so in their version string.
SAME_ZLIB = ("1.2.11", "1.2.12", "1.2.13", "1.3", "1.3.1")


def quick_and_slow(names: Iterable[str]) -> list[object]:
    """`names` as parameters. Those that differ from a usual one in nothing but zlib's memory level are slow tests."""
    usual = frozenset(usual_names())
    return [pytest.param(name, marks=[] if name in usual else [pytest.mark.slow]) for name in names]


def deflate(name: str, data: bytes, piece: int = 65536) -> bytes:
    encoder = deflater(name)
    pieces = [encoder.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
    return b"".join(pieces) + encoder.finish()


@st.composite
def repetitive(draw: st.DrawFn) -> bytes:
    """Bytes that have matches: literals, runs, and copies of what came before, near and far."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    limit = draw(st.sampled_from((300, 3000, 70_000, 200_000) if COMPILED else (60, 600)))
    out = bytearray()
    while len(out) < limit:
        out += generator.choice((generator.randbytes(generator.randrange(1, 60)), bytes(generator.randrange(1, 500))))
        begin = generator.randrange(max(len(out) - 40_000, 0), len(out))
        out += out[begin : begin + generator.choice((3, 4, 5, 20, 258, 259, 262, 600))]
    return bytes(out[: limit - draw(st.integers(0, 50))])


def decisions(file: bytes, alignment: Alignment | None = None, content: bytes | None = None) -> ParsedPiece:
    """The decisions of a zstd file, whose content is that which zstd finds in it if none is given."""
    if content is None:
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(file), read_across_frames=True).readall()
    parts = list(parse(io.BytesIO(file).read, 1 << 30, alignment, io.BytesIO(content).read))
    return ParsedPiece(*(b"".join(getattr(part, field.name) for part in parts) for field in fields(ParsedPiece)))


class Decompressor(Protocol):
    """What decompresses one stream, by the interface of `zlib.decompressobj`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decompress(decompressor: Decompressor, packed: bytes, piece: int = 1000, room: int = 1000) -> tuple[bytes, bytes]:
    """The content, and what follows the stream. Raises EOFError if that is cut short."""
    out, at = b"", 0
    while not decompressor.eof:
        data = decompressor.unconsumed_tail
        if not data:
            data = packed[at : at + piece]
            at += len(data)
        made = decompressor.decompress(data, room)
        assert len(made) <= room
        if not (data or made or decompressor.eof):
            raise EOFError
        out += made
    return out, decompressor.unused_data + packed[at:]
