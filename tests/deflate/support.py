"""What the tests of airpatch.deflate share: samples, and a file taken apart and put together."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed
from airpatch.deflate.tables import LONG_258

FIXTURES = Path(__file__).parents[2] / "fixtures" / "deflate"
SAMPLES = sorted(FIXTURES.glob("*.gz"))
VECTORS = {
    name: (outcome, bytes.fromhex(file))
    for name, outcome, file in (line.split() for line in (FIXTURES / "vectors.txt").read_text().splitlines())
}


def join(parts: Iterable[Parsed]) -> Parsed:
    """Return what the parts say together."""
    fields = [(p.uncompressed, p.layout, p.runs, p.sources, p.distances) for p in parts]
    return Parsed(*map(b"".join, zip(*fields, strict=True)))


def take_apart(data: bytes, size: int | None = None, limit: int | None = None) -> Parsed:
    """Parse a file that is fed in pieces of `size` bytes, or whole."""
    parser = GzipParser(limit)
    parts: list[Parsed] = []
    for at in range(0, len(data), size or len(data)):
        parts += parser.feed(data[at : at + (size or len(data))])
    return join([*parts, *parser.close()])


def put_together(part: Parsed) -> bytes:
    """Rebuild the file that a part describes."""
    columns = (part.uncompressed, part.layout, part.runs, part.sources, part.distances)
    return b"".join(emit(*(io.BytesIO(column).read for column in columns)))


@st.composite
def token_lists(draw: st.DrawFn) -> tuple[array[int], bytes]:
    """Return tokens and what they stand for."""
    tokens, out = array("I"), bytearray()
    for kind in draw(st.lists(st.integers(0, 3), max_size=60)):
        if kind and out:
            length = draw(st.sampled_from([3, 4, 10, 11, 100, 257, 258]))
            distance = draw(st.integers(1, len(out)))
            tokens.append(length << 16 | distance | (LONG_258 if length == 258 and kind == 3 else 0))
            for _ in range(length):
                out.append(out[-distance])
        else:
            tokens.append(draw(st.integers(0, 255)))
            out.append(tokens[-1])
    return tokens, bytes(out)
