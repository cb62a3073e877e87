"""Describe a target as a difference against its sources: the other half of `bundle.delta.apply`.

`encode` plans covers (`bundle.delta.plan`), cuts those of programs where sections meet, chooses for each the prediction that
leaves the fewest wrong bytes, and writes columns. Same input and effort, same bytes. Format: spec/DELTA.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from bundle.delta import columns, programs, varints
from bundle.delta.addresses import AddressMap
from bundle.delta.apply import CHUNK, MAGIC
from bundle.delta.columns import COLUMNS, CONTROL, GAPS, LENGTHS, LITERALS, MODES, SOURCES, VALUES, Compressor
from bundle.delta.mend import Differences, unequal
from bundle.delta.plaintext import Buffer, Space
from bundle.delta.plan import Cover, Planner, Unit
from bundle.delta.predict import BASED, CODE_X86, PLAIN, POINTERS, RELATIVE
from bundle.delta.programs import Program
from bundle.errors import UsageError

_FLUSH = columns.MAX_COLUMN // 4  # a segment ends when a column is longer; a group adds at most as much again
_GROUP = 1 << 16  # instructions in a group, at most: 2 * 9 bytes each stay below _FLUSH
_WORTH = 3  # wrong bytes that a prediction must save


class Effort(Enum):
    """How long to look for the smallest delta: candidates tried by the alignment, zstd level."""

    FAST = (1, 3)
    DEFAULT = (4, 12)
    BEST = (16, 19)


def encode(
    target: Buffer,
    sources: Sequence[Buffer],
    effort: Effort = Effort.DEFAULT,
    entries: int = 1 << 24,
    relax: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """Yield the delta that makes `target` from `sources`, to be joined.

    The index of the sources takes 8 bytes for each of `entries`, a power of two. `relax` is called each time that some 64
    MiB have been looked at: whoever maps files into memory may drop their pages then.
    """
    if entries < 1 or entries & (entries - 1):
        raise UsageError(f"the number of index entries must be a power of two, not {entries}")
    tries, level = effort.value
    view = memoryview(target).cast("B")
    space = Space.of(sources)
    head = bytearray(MAGIC)
    varints.put(head, len(view))
    varints.put(head, len(sources))
    for source in space.sources:
        varints.put(head, len(source))
    yield bytes(head)
    writer = _Writer(view, space, Compressor([level] * COLUMNS))
    for unit in Planner(space, entries, tries, relax).units(view):
        yield from writer.unit(unit)
    yield from writer.flush()


class _Writer:
    """The columns of the segment under construction."""

    def __init__(self, target: memoryview, space: Space, compressor: Compressor) -> None:
        self._target = target
        self._space = space
        self._compressor = compressor
        self._columns = [bytearray() for _ in range(COLUMNS)]
        self._differences = Differences()
        self._expected = 0  # the source position where the last cover would go on

    def unit(self, unit: Unit) -> Iterator[bytes]:
        """Append a unit, in as many groups as the limits ask for; yield segments that are full."""
        program = None
        covers = unit.covers
        if unit.member is not None and unit.old is not None:
            new = self._target[unit.member.content : unit.member.content + unit.member.size]
            old = self._space.slice(unit.old.content, unit.old.size)
            if old is not None:
                program = programs.compare(new, unit.member.content, old, unit.old.content)
        if program is not None:
            covers = list(program.cut(covers))
        offset = unit.start
        group: list[tuple[int, Cover | None]] = []
        literals = 0
        for cover in (*covers, (unit.end, 0, 0)):
            while offset < cover[0] or cover[2]:
                literal = min(cover[0] - offset, _FLUSH - literals)
                offset += literal
                literals += literal
                if offset == cover[0] and cover[2]:
                    group.append((literal, cover))
                    offset += cover[2]
                    cover = (offset, 0, 0)
                else:
                    group.append((literal, None))
                if literals == _FLUSH or len(group) == _GROUP:
                    yield from self._group(offset, group, program)
                    group = []
                    literals = 0
        yield from self._group(offset, group, program)

    def _group(self, end: int, group: list[tuple[int, Cover | None]], program: Program | None) -> Iterator[bytes]:
        """Append a group that ends at the target offset `end`."""
        if not group:
            return
        control, lengths, sources, modes, literals = (
            self._columns[name] for name in (CONTROL, LENGTHS, SOURCES, MODES, LITERALS)
        )
        covers = [cover for _, cover in group if cover is not None]
        where = AddressMap(program.addresses, covers) if program is not None and covers else None
        varints.put(control, len(group))
        if where is not None and program is not None:
            program.addresses.put(control)
        else:
            varints.put(control, 0)
        offset = end - sum(literal + (cover[2] if cover else 0) for literal, cover in group)
        for literal, cover in group:
            literals += self._target[offset : offset + literal]
            offset += literal
            varints.put(lengths, literal)
            varints.put(lengths, cover[2] if cover else 0)
            if cover is None:
                continue
            _, position, length = cover
            varints.put(sources, varints.zigzag(position - self._expected))
            self._expected = position + length
            wanted = self._target[offset : offset + length]
            source = self._space.slice(position, length)
            if source is None:
                raise ValueError("a cover must lie within one source")
            if where is not None and program is not None:
                mode, source = _choose(wanted, source, where, offset, position, program.is_code(position))
                modes.append(mode)
            for start in range(0, length, CHUNK):
                self._differences.add(wanted[start : start + CHUNK], source[start : start + CHUNK])
            offset += length
        if max(len(column) for column in (*self._columns, self._differences)) > _FLUSH:
            yield from self.flush()

    def flush(self) -> Iterator[bytes]:
        """End the segment; yield its bytes."""
        self._columns[GAPS], self._columns[VALUES] = self._differences.take()
        if any(self._columns):
            yield from self._compressor.segment(self._columns)
        self._columns = [bytearray() for _ in range(COLUMNS)]
        self._expected = 0


def _choose(
    wanted: memoryview, source: memoryview, where: AddressMap, offset: int, position: int, code: bool
) -> tuple[int, memoryview]:
    """Return the mode that leaves the fewest wrong bytes, and what it predicts."""
    best = unequal(wanted, source, len(source))
    chosen: tuple[int, memoryview] = (PLAIN, source)
    pair = where.locate(offset, position)
    if best < _WORTH or pair is None:
        return chosen
    modes = [CODE_X86] if code else [POINTERS, RELATIVE, *range(BASED, BASED + len(where.bases))]
    for mode in modes:
        piece = bytearray(source)
        where.predictor.predict(piece, mode, *pair, *(where.bases[mode - BASED] if mode >= BASED else (0, 0)))
        wrong = unequal(wanted, piece, best)
        if wrong + _WORTH <= best:
            best = wrong
            chosen = (mode, memoryview(piece))
    return chosen
