"""Describe a target as a difference against its sources: the other half of `airpatch.delta.decoder`.

`encode` plans covers (`airpatch.delta.covers`), cuts those of programs where sections meet, chooses for each the
prediction that leaves the fewest wrong bytes, and writes columns, or mixes them where there is time. Same input and
effort, same bytes. Format: spec/DELTA.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from airpatch.delta import varints
from airpatch.delta.addresses import Addresses, AddressMap
from airpatch.delta.byte_differences import DifferenceReader, DifferenceWriter, unequal
from airpatch.delta.columns import (
    COLUMNS,
    CONTROL,
    GAPS,
    LENGTHS,
    LITERALS,
    MIXED,
    MODES,
    SOURCES,
    VALUES,
    ColumnCompressor,
)
from airpatch.delta.covers import TARS, Members, Planner, Unit, whole_copy
from airpatch.delta.decoder import CHUNK, MAGIC, MAX_INSTRUCTIONS
from airpatch.delta.effort import Effort
from airpatch.delta.mixed_content import MixedContent
from airpatch.delta.modes import BASED, CODE_X86, PLAIN, POINTERS, RELATIVE, kind
from airpatch.delta.olds import Cover
from airpatch.delta.predict import MAX_COVER
from airpatch.delta.programs import Program
from airpatch.delta.references import LEARN, PREDICT, Memory
from airpatch.delta.source_space import Buffer, Space
from airpatch.delta.tar_headers import CHECKSUM, TarHeaders, find_headers
from airpatch.errors import UsageError

_FULL = 4 << 20  # bytes of columns that end a segment; one instruction more and the head of a group fit in
_LITERAL = 1 << 20
_WORTH = 3  # wrong bytes that a prediction must save
_WORTH_MIXING = 256  # bytes that it must save: what is mixed is compressed no further with the patches around it
_MIXED_ANYWAY = 1 << 12  # bytes, however short the segment is
_PASSED = 1 << 24  # bytes of the target that are looked at anew before pages are released
See = Callable[[Sequence[Cover]], None]
_NEGATED = bytes(-value & 0xFF for value in range(256))


def encode(
    target: Buffer,
    sources: Sequence[Buffer],
    effort: Effort = Effort.DEFAULT,
    entries: int = 1 << 24,
    release_pages: Callable[[], None] = lambda: None,
    members: Members = TARS,
    reach: Callable[[int], None] = lambda _: None,
    see: See = lambda _: None,
) -> Iterator[bytes]:
    """Yield the delta that makes `target` from `sources`, to be joined.

    `members` says where files lie in them that are no tars.

    The index of the sources takes 8 bytes for each of `entries`, a power of two. `release_pages` is called each time
    that 32 MiB at most have been looked at: a caller that maps files into memory may drop their pages then. `reach`
    receives repeatedly how many bytes of the target have been described, `see` the covers, in order, as whoever decodes
    the delta sees them.
    """
    if entries < 1 or entries & (entries - 1):
        raise UsageError(f"the number of index entries must be a power of two, not {entries}")
    tries, level, other, mixed, share = effort.value
    view = memoryview(target).cast("B")
    space = Space.of(sources)
    head = bytearray(MAGIC)
    varints.put(head, len(view))
    varints.put(head, len(sources))
    for source in space.sources:
        varints.put(head, len(source))
    yield bytes(head)
    levels = [level if column == LITERALS else other for column in range(COLUMNS)]
    writer = _SegmentWriter(view, space, ColumnCompressor(levels, len(view)), mixed, share, release_pages, see)
    units = whole_copy(view, space, release_pages)
    for unit in units or Planner(space, members, entries, tries, release_pages).units(view):
        yield from writer.unit(unit)
        reach(unit.end)
    yield from writer.flush()


class Instruction(NamedTuple):
    """An instruction: at a target offset, `literal` bytes, then `length` bytes from a source position."""

    offset: int
    literal: int
    position: int
    length: int


class _Carried(NamedTuple):
    """An instruction with the kind of its prediction and the address of its cover in the target."""

    step: Instruction
    kind: int
    landing: int


class _SegmentWriter:
    """The columns of the segment under construction. `mixed` and `share` are those of the effort."""

    def __init__(
        self,
        target: memoryview,
        space: Space,
        compressor: ColumnCompressor,
        mixed: int,
        share: float,
        release_pages: Callable[[], None],
        see: See,
    ) -> None:
        self._target = target
        self._space = space
        self._compressor = compressor
        self._columns = [bytearray() for _ in range(COLUMNS)]
        self._differences = DifferenceWriter()
        self._memory = Memory()
        self._headers = TarHeaders()
        self._expected = 0  # the source position where the last cover would go on
        self._carried: list[_Carried] = []  # instructions that the segment carries out
        self._unmixed = mixed
        self._share = share
        self._release_pages = release_pages
        self._see = see
        self._debug = len(target) + space.size  # bytes of debugging information that may still be read
        self._mixed: MixedContent | None = None
        self._follows = 0  # the source position where the last copy of earlier segments would go on

    def unit(self, unit: Unit) -> Iterator[bytes]:
        """Append a unit, in as many groups as the limits ask for; yield segments that are full."""
        program = unit.program
        covers = unit.covers
        if program is not None:
            covers = list(program.cut(covers))
        steps = _steps(unit, covers)
        while group := list(islice(steps, MAX_INSTRUCTIONS)):
            yield from self._group(group, program)

    def _source(self, step: Instruction) -> memoryview:
        view = self._space.slice(step.position, step.length)
        if view is None:
            raise ValueError("a cover must lie within one source")
        return view

    def _group(self, group: list[Instruction], program: Program | None) -> Iterator[bytes]:
        """Append a group; yield segments that are full."""
        control, lengths, sources = (self._columns[name] for name in (CONTROL, LENGTHS, SOURCES))
        covers = [(step.offset + step.literal, step.position, step.length) for step in group if step.length]
        self._see(covers)
        varints.put(control, len(group))
        chooser = None
        if program is not None and covers:
            addresses = self._affordable(program.addresses)
            chooser = _Chooser(AddressMap(addresses, covers, self._memory, self._space.slice))
            addresses.put(control)
        else:
            varints.put(control, 0)
        for step in group:
            varints.put(lengths, step.literal)
            varints.put(lengths, step.length)
            if step.length:
                varints.put(sources, varints.zigzag(step.position - self._expected))
                self._expected = step.position + step.length
        for step in group:
            self._carried.append(self._step(step, program, chooser))
            if sum(map(len, self._columns)) + len(self._differences) > _FULL:
                yield from self.flush()

    def _affordable(self, addresses: Addresses) -> Addresses:
        """Return `addresses`, without debugging information if a reader would have read too much of it."""
        if addresses.debug is None:
            return addresses
        if addresses.debug.size > self._debug:
            return replace(addresses, debug=None)
        self._debug -= addresses.debug.size
        return addresses

    def _step(self, step: Instruction, program: Program | None, chooser: _Chooser | None) -> _Carried:
        """Append what one instruction needs."""
        offset = step.offset + step.literal
        self._columns[LITERALS] += self._target[step.offset : offset]
        if not step.length:
            return _Carried(step, PLAIN, offset)
        wanted = self._target[offset : offset + step.length]
        source = self._source(step)
        mode, landing = PLAIN, offset
        if chooser is not None and program is not None:
            mode, source = chooser.choose(wanted, source, offset, step.position, program.mode(step.position))
            landing = chooser.landing(offset, step.position)
            self._columns[MODES].append(mode)
        if mode == PLAIN:
            self._add_copy(wanted, source)
        else:
            self._differences.add(wanted, source)
        return _Carried(step, kind(mode), landing)

    def _add_copy(self, wanted: memoryview, source: memoryview) -> None:
        """Append what a copy without prediction lacks, but for what is foretold of tar headers in it."""
        for start in range(0, len(source), CHUNK):
            target, copied = wanted[start : start + CHUNK], source[start : start + CHUNK]
            headers = find_headers(copied)
            if headers:
                copy = bytearray(copied)
                self._headers.foretell(copied, target, copy, headers)
                self._differences.add(target, copy)
            else:
                self._differences.add(target, copied)

    def flush(self) -> Iterator[bytes]:
        """End the segment; yield its bytes."""
        if self._carried:
            self._columns[GAPS], self._columns[VALUES] = self._differences.take()
            heads = self._columns[CONTROL]
            self._columns[CONTROL] = bytearray()
            varints.put(self._columns[CONTROL], len(self._carried))
            self._columns[CONTROL] += heads
            mixed = self._mix()
            if mixed:
                self._columns[LITERALS] = self._columns[GAPS] = self._columns[VALUES] = bytearray()
            yield from self._compressor.segment(self._columns, mixed)
            self._follows = self._last_end()
            self._carried = []
        self._columns = [bytearray() for _ in range(COLUMNS)]
        self._expected = 0

    def _last_end(self) -> int:
        ends = (each.step.position + each.step.length for each in reversed(self._carried) if each.step.length)
        return next(ends, self._follows)

    def _mix(self) -> bytes:
        """Return literals and corrections of the segment, mixed; nothing if that is too much or wins nothing.

        Then later segments are not mixed, either: their literals are compressed knowing those of this one.
        """
        wrong = bytes(self._columns[VALUES])
        count = len(self._columns[LITERALS]) + len(wrong)
        size = sum(each.step.literal + each.step.length for each in self._carried)
        if not count:
            return b""
        if count > self._unmixed or count > _MIXED_ANYWAY + size * self._share:
            self._unmixed = 0
            return b""
        self._unmixed -= count
        self._mixed = self._mixed or MixedContent(len(self._target))
        self._mixed.write()
        copied = DifferenceReader(bytes(self._columns[GAPS]), wrong.translate(_NEGATED))
        follows = self._follows
        passed = 0  # bytes of the target since pages were released: a segment may describe all of it
        for each in self._carried:
            step = each.step
            offset = step.offset + step.literal
            if step.literal:
                self._mixed.literal(
                    bytearray(self._target[step.offset : offset]), self._space.ahead(follows, step.literal), step.offset
                )
            for start in range(0, step.length, CHUNK):
                wanted = self._target[offset + start : offset + min(start + CHUNK, step.length)]
                is_right = copied.skip_right(len(wanted))
                self._mixed.is_right(is_right, each.kind, wanted)
                if not is_right:
                    source = self._source(step)[start : start + CHUNK]
                    for at, end in _parts(source, each.kind):
                        part = wanted[at:end]
                        if len(part) < len(wanted):
                            is_right = copied.skip_right(len(part))
                            self._mixed.is_right(is_right, each.kind, part)
                        if not is_right:
                            copy = bytearray(part)
                            copied.apply(copy)
                            self._mixed.correct(copy, part, each.kind, each.landing + start + at)
                passed += len(wanted)
                if passed > _PASSED:
                    passed = 0
                    self._release_pages()
            if step.length:
                follows = step.position + step.length
        stored = self._mixed.written()
        columns = sum(self._compressor.alone(each, self._columns[each]) for each in MIXED)
        if len(stored) + _WORTH_MIXING > columns:
            self._unmixed = 0
            return b""
        return stored


def _parts(source: memoryview, kind: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the parts of a copy that are right or not each by itself."""
    at = 0
    for header in find_headers(source) if kind == PLAIN else ():
        yield at, header + CHECKSUM
        at = header + CHECKSUM
    yield at, len(source)


def _steps(unit: Unit, covers: list[Cover]) -> Iterator[Instruction]:
    """Turn covers and what lies between them into instructions that tile the unit.

    Literals are cut so that no instruction fills a segment, and so are covers that may hold wrong bytes.
    """
    offset = unit.start
    for at, position, length in (*covers, (unit.end, 0, 0)):
        while at - offset > _LITERAL:
            yield Instruction(offset, _LITERAL, 0, 0)
            offset += _LITERAL
        longest = length if unit.exact else MAX_COVER
        while offset < at or length:
            part = min(length, longest)
            yield Instruction(offset, at - offset, position, part)
            at += part
            offset = at
            position += part
            length -= part


class _Chooser:
    """Chooses predictions for the covers of one group; what has helped before is tried first.

    Bases are tried all on the first covers and on every 16th after them, else only those that have won
    already.
    """

    def __init__(self, where: AddressMap) -> None:
        self._where = where
        self._won: list[int] = []
        self._seen = 0

    def choose(
        self, wanted: memoryview, source: memoryview, offset: int, position: int, known: int | None
    ) -> tuple[int, memoryview]:
        """Return the mode that leaves the fewest wrong bytes, and what it predicts."""
        best = unequal(wanted, source, len(source))
        chosen: tuple[int, memoryview] = (PLAIN, source)
        if best < _WORTH:
            return chosen
        modes = [] if known in (None, PLAIN) else [known]
        if known is None:
            bases = range(BASED, BASED + 3 * len(self._where.bases), 3)
            self._seen += 1
            often = self._seen <= 16 or self._seen % 16 == 0
            modes = [CODE_X86, POINTERS, RELATIVE, *(bases if often else self._won)]
        pair = self._where.locate(offset, position)
        for mode in modes:
            base = self._where.base(mode)
            if base is None:
                continue
            piece = bytearray(source)
            self._where.predictor.run(source, piece, mode, PREDICT, *pair, *base)
            wrong = unequal(wanted, piece, best)
            if wrong + _WORTH <= best:
                best = wrong
                chosen = (mode, memoryview(piece))
        if chosen[0] != PLAIN:
            base = self._base(chosen[0])
            self._where.predictor.run(source, bytearray(wanted), chosen[0], LEARN, *pair, *base)
        if chosen[0] >= BASED and chosen[0] not in self._won:
            self._won.append(chosen[0])
        return chosen

    def landing(self, offset: int, position: int) -> int:
        """Return the address of a cover in the target."""
        return self._where.locate(offset, position)[1]

    def _base(self, mode: int) -> tuple[int, int]:
        base = self._where.base(mode)
        if base is None:
            raise ValueError("a mode must have a base")
        return base
