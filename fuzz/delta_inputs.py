"""Inputs of the target `deltas` (fuzz/targets.py): a form, a choice of sources, a delta as it is stored or decoded.

Hardly a mutant of what zstd has compressed is a frame still: most would end there.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import product

from airpatch.delta import varints
from airpatch.delta.columns import COLUMNS, LENGTHS, ColumnDecompressor
from airpatch.errors import FormatError
from fixtures.delta import debugging
from fixtures.delta.generate import bad, good
from fixtures.delta.vectors import SOURCE, MixedWrong, Vector, head, mixed, numbers, segments
from fixtures.delta.vectors import columns as columns_of
from fuzz.seeds import NEXT, Choice

STORED, DECODED = b"\0", b"\1"
MOST = 1 << 20
"""Bytes that a target may have."""
_PARTS = COLUMNS + 1
"""Of a decoded segment: its columns, and what is mixed."""

Sources = tuple[bytes, ...]


def choice() -> Choice[Sources]:
    return Choice([(), (SOURCE,), *(vector.sources for vector in good())])


def delta(data: bytes, choice: Choice[Sources]) -> tuple[bytes, Sources]:
    """Return the delta that an input stands for, and its sources. Raises FormatError if it stands for none."""
    form, key, rest = data[:1], data[1 : 1 + Choice.KEY], data[1 + Choice.KEY :]
    sources = choice.by(key)
    return (rest if form == STORED else _stored(rest, sources)), sources


def inputs() -> Iterator[bytes]:
    for vector in (*good(), *bad()):
        key = Choice.key(vector.sources)
        yield STORED + key + vector.delta
        yield DECODED + key + NEXT.join(_decoded(vector))
    for sources, parts in _others():
        yield DECODED + Choice.key(sources) + NEXT.join(parts)
    for wrong in (bytes(COLUMNS) + numbers(1 << 25), numbers(1 << 25, 0), numbers(3, 3) + bytes(COLUMNS) + b"abc"):
        yield STORED + Choice.key(()) + head(1, ()) + wrong
    zeros = columns_of(control=numbers(1, 1, 0), lengths=numbers(MOST, 0), literals=bytes(MOST))
    yield STORED + Choice.key(()) + head(MOST, ()) + segments(zeros)


def others() -> Iterator[tuple[Sources, bytes]]:
    """Deltas of one segment that no vector has, and their sources."""
    return ((sources, _stored(NEXT.join(parts), sources)) for sources, parts in _others())


def _others() -> Iterator[tuple[Sources, Sequence[bytes]]]:
    for sources, columns in (*_covers(), *_tables()):
        yield sources, (*columns, b"")
        yield sources, (*columns, mixed(64, MixedWrong(bytes(64))))


def _covers() -> Iterator[tuple[Sources, Sequence[bytes]]]:
    """Covers that overlap or leave their addresses, in some modes, with tables some of which are cut short."""
    whole, halves = (1, 0, 64, 4096, 0), (2, 0, 16, 4096, 8, 32, 32, 8192, 0)
    heads = (
        (*whole, *whole, 0, 0, 0),
        (*halves, *whole, 0, 0, 0),
        (*whole, *halves, 1, 4100, 4200, 1, 4096, 4096, 0),
        (*whole, 1, 0, 500, 8192, 0, 0, 0, 0),
        whole,
        (1, 1 << 62),
    )
    overlapping = ((0, 40), (8, 48), (0, 40), (20, 32), (4, 36), (30, 34))
    for tables, covers in product(heads, (overlapping, overlapping[::2], ((0, 64),), ((32, 32), (0, 32)))):
        ends = [0, *(start + length for start, length in covers)]
        steps = numbers(*(varints.zigzag(start - end) for end, (start, _) in zip(ends, covers, strict=False)))
        lengths = numbers(*(number for _, length in covers for number in (0, length)))
        control = numbers(len(covers), len(covers), *tables)
        for modes in (bytes(6), b"\3" * 6, b"\1\2\4\5\6\7", b"\x08\x09\x0a" * 2):
            yield (SOURCE,), columns_of(control=control, lengths=lengths, sources=steps, modes=modes[: len(covers)])


def _tables() -> Iterator[tuple[Sources, Sequence[bytes]]]:
    """Debugging information whose table of abbreviations ends too early."""
    for vector in debugging.good():
        control, *others = _decoded(vector)
        size, bases = control[-7], control[-6:]
        for less in range(size if bases == b"\1" * 6 else 0):
            yield vector.sources, [control[:-7] + bytes([less]) + bases, *others[: COLUMNS - 1]]


def _stored(data: bytes, sources: Sources) -> bytes:
    """Return the delta of segments with these parts, each up to a `NEXT`; its target has the size that they say."""
    parts = data.split(NEXT)
    found = [parts[at : at + _PARTS] for at in range(0, len(parts) - COLUMNS, _PARTS)]
    size = sum(number for part in found for number in varints.iterate(part[LENGTHS]))
    return head(min(size, MOST + 1), sources) + segments(*found)


def _decoded(vector: Vector) -> Iterator[bytes]:
    """Yield the parts of all segments of a delta, as far as they make sense."""
    delta = io.BytesIO(vector.delta)
    reader = ColumnDecompressor(delta)
    try:
        reader.exactly(4)
        for _ in range(2 + len(vector.sources)):
            reader.number()
        while delta.tell() < len(vector.delta):
            yield from (*reader.segment(), reader.mixed)
    except FormatError:
        return
