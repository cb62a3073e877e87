"""What the tests of airpatch.deflate share: samples, and a file taken apart and put together."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed

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
    parts = []
    for at in range(0, len(data), size or len(data)):
        parts += parser.feed(data[at : at + (size or len(data))])
    return join([*parts, *parser.close()])


def put_together(part: Parsed) -> bytes:
    """Rebuild the file that a part describes."""
    columns = (part.uncompressed, part.layout, part.runs, part.sources, part.distances)
    return b"".join(emit(*(io.BytesIO(column).read for column in columns)))
