"""What the parts of a target cost in its delta: which of them make it large, and from where they are copied.

A delta is read as `airpatch.delta.decoder` reads it, without its sources. The stored bytes of each column of a segment
are shared out: those of literals in proportion to what the literals of each part compress to by themselves, those of
byte differences by the number of wrong bytes, all others by the number of instructions. Of literals and byte
differences that are mixed only the lengths of literals are known: what is stored is shared out by these and the number
of instructions. So the costs of all parts add up to the size of the delta but for the few bytes that frame it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice

from airpatch.delta import varints
from airpatch.delta.columns import (
    COLUMNS,
    CONTROL,
    GAPS,
    LENGTHS,
    LITERALS,
    MODES,
    SOURCES,
    VALUES,
    ByteReader,
    ColumnDecompressor,
    weigh,
)
from airpatch.delta.decoder import MAGIC
from airpatch.errors import FormatError

_Step = tuple[int, int, int]  # length of the literal, source position and length of the cover


@dataclass(slots=True)
class PartCost:
    """A part of the target: `cost` in bytes of the delta; `literal` and `wrong` bytes of its content are in the delta,
    the latter where they are not mixed.

    `position` is where the longest copy that begins in the part comes from, of `longest` bytes.
    """

    cost: float = 0.0
    literal: int = 0
    wrong: int = 0
    position: int | None = None
    longest: int = 0


def part_costs(delta: ByteReader, cuts: Sequence[int]) -> list[PartCost]:
    """Return the shares of the parts of the target that begin at `cuts`, ascending offsets of which the first is 0.

    FormatError if the delta is malformed.
    """
    reader = ColumnDecompressor(delta)
    if reader.exactly(len(MAGIC)) != MAGIC:
        raise FormatError("delta: wrong magic or unknown version")
    size = reader.number()
    for _ in range(reader.number()):
        reader.number()
    shares = [PartCost() for _ in cuts]
    offset = 0
    steps: Iterator[_Step] = iter(())
    while offset < size:
        before = offset
        segment = _SegmentCost(reader.segment(), reader.stored, len(reader.mixed), cuts, shares)
        steps = chain(steps, segment.steps())
        offset = segment.run(offset, steps)
        if offset == before:
            raise FormatError("delta: a segment without content")
    return shares


class _SegmentCost:
    def __init__(
        self, columns: Sequence[bytes], stored: Sequence[int], mixed: int, cuts: Sequence[int], shares: list[PartCost]
    ) -> None:
        self._columns = columns
        self._stored = (*stored, mixed)
        self._cuts = cuts
        self._shares = shares

    def steps(self) -> Iterator[_Step]:
        """Yield the instructions of the groups that begin here."""
        lengths = varints.unpack(self._columns[LENGTHS])
        moves = iter(varints.unpack(self._columns[SOURCES]))
        expected = 0
        for literal, length in zip(lengths[::2], lengths[1::2], strict=True):
            position = expected
            if length:
                position = expected + varints.unzigzag(next(moves, 0))
                expected = position + length
            yield literal, position, length

    def run(self, offset: int, steps: Iterator[_Step]) -> int:
        """Share out what is stored; return the offset in the target where the segment ends."""
        places = list(accumulate(gap + 1 for gap in varints.unpack(self._columns[GAPS])))
        literals: defaultdict[int, bytearray] = defaultdict(bytearray)
        wrong: defaultdict[int, int] = defaultdict(int)
        instructions: defaultdict[int, int] = defaultdict(int)
        mixed: defaultdict[int, int] = defaultdict(int)
        taken = copied = 0
        for literal, position, length in islice(steps, next(iter(varints.unpack(self._columns[CONTROL])), 0)):
            part = bisect_right(self._cuts, offset) - 1
            share = self._shares[part]
            instructions[part] += 1
            literals[part] += self._columns[LITERALS][taken : taken + literal]
            mixed[part] += literal + 1
            share.literal += literal
            taken += literal
            if length:
                if length > share.longest:
                    share.longest, share.position = length, position
                count = bisect_right(places, copied + length) - bisect_right(places, copied)
                wrong[part] += count
                share.wrong += count
                copied += length
            offset += literal + length
        self._spread((LITERALS,), {part: weigh(bytes(data)) for part, data in literals.items() if data})
        self._spread((GAPS, VALUES), wrong)
        self._spread((COLUMNS,), mixed)
        self._spread((CONTROL, LENGTHS, SOURCES, MODES), instructions)
        return offset

    def _spread(self, columns: Sequence[int], weights: Mapping[int, int]) -> None:
        total = sum(weights.values())
        stored = sum(self._stored[column] for column in columns)
        for part, weight in weights.items():
            if weight:
                self._shares[part].cost += stored * weight / total
