"""Rebuild a target from its sources and a delta: the other half of `airpatch.delta.encoder`.

`decode` trusts nothing: every number is checked before it is used, memory stays below 400 MiB whatever the
delta says, and time is in proportion to the target's size, which the caller limits. The result is not
authenticated here: the caller compares its digest. Format: spec/DELTA.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from airpatch.delta import columns, varints
from airpatch.delta.addresses import Addresses, AddressMap
from airpatch.delta.byte_differences import DifferenceReader
from airpatch.delta.columns import ByteReader, ColumnDecompressor
from airpatch.delta.mixed_content import MixedContent
from airpatch.delta.modes import PLAIN, kind
from airpatch.delta.predict import MAX_COVER
from airpatch.delta.references import LEARN, PREDICT, Memory
from airpatch.delta.source_space import Buffer, Space
from airpatch.delta.tar_headers import CHECKSUM, TarHeaders, find_headers
from airpatch.errors import FormatError

MAGIC = b"APD\x01"  # the last byte is the version
MAX_SOURCES = 1 << 16
MAX_INSTRUCTIONS = 1 << 18  # in a group
# How many groups and instructions a target may have: some anyway, and one for each so many bytes.
FREE_GROUPS, BYTES_PER_GROUP = 1 << 10, 1 << 8
FREE_INSTRUCTIONS, BYTES_PER_INSTRUCTION = 1 << 16, 8
MAX_MIXED = 1 << 24  # bytes of literals and corrections of a delta that are mixed
CHUNK = 1 << 20  # bytes, about, that `decode` yields at once; of a copy, those that are corrected at once

_MAX_COPIES = 1 << 16
"""How many covers may make a copy of a source that is told without carrying it out; a writer needs few."""

_Cover = tuple[int, int, int]  # target offset, source position, length


def decode(
    delta: ByteReader,
    sources: Sequence[Buffer],
    max_size: int,
    see: Callable[[Sequence[_Cover]], None] = lambda _covers: None,
) -> Iterator[bytes]:
    """Yield the target of `delta` in pieces.

    `sources` are those that it was made from, in the same order. `see` receives all covers, in order, some of them
    empty. FormatError if the delta is malformed, if its sources have other sizes, or if the target exceeds `max_size`
    bytes.
    """
    reader = ColumnDecompressor(delta)
    size = _target_size(reader, [len(source) for source in sources], max_size)
    for segment in _segments(reader, _State(Space.of(sources), size, see)):
        yield from segment.run()


def copied_source(delta: ByteReader, sizes: Sequence[int], max_size: int) -> int | None:
    """Return the number of the source that is the target of `delta`, byte for byte; None if none of them is, or if it
    is put together from so many covers that telling it would take long.

    `sizes` are those of the sources in bytes: what they hold is not asked for. FormatError as for `decode`, as far as
    that takes to tell.
    """
    reader = ColumnDecompressor(delta)
    size = _target_size(reader, sizes, max_size)
    if size not in sizes:
        return None
    shifts: set[int] = set()
    seen = 0

    def see(covers: Sequence[_Cover]) -> None:
        nonlocal seen
        seen += len(covers)
        if len(shifts) <= 1:
            shifts.update(position - offset for offset, position, length in covers if length)

    space = Space.of_sizes(sizes)
    for segment in _segments(reader, _State(space, size, see)):
        if not segment.copies:
            return None
        for _ in segment.run():
            pass  # all of it is empty
        if len(shifts) > 1 or seen > _MAX_COPIES:
            return None
    found = (number for number, place in enumerate(zip(space.bases, sizes, strict=True)) if place == (*shifts, size))
    return next(found, None)


def _target_size(reader: ColumnDecompressor, sizes: Sequence[int], max_size: int) -> int:
    """Read the head of a delta; return the target's size."""
    if reader.exactly(len(MAGIC)) != MAGIC:
        raise FormatError("delta: wrong magic or unknown version")
    size = reader.number()
    if size > max_size:
        raise FormatError(f"delta: a target of {size} bytes, at most {max_size} are allowed")
    count = reader.number()
    if count != len(sizes) or count > MAX_SOURCES:
        raise FormatError(f"delta: made from {count} sources, {len(sizes)} are given")
    for expected in sizes:
        if reader.number() != expected:
            raise FormatError("delta: a source does not have the size it had")
    return size


def _segments(reader: ColumnDecompressor, state: _State) -> Iterator[_OpenSegment]:
    """Yield all segments, each of which the caller runs before the next."""
    while state.offset < state.size:
        before = state.offset
        yield _OpenSegment(reader.segment(), reader.mixed, state)
        if state.offset == before:
            raise FormatError("delta: a segment without content")
    if not reader.at_end():
        raise FormatError("delta: bytes follow the end")


class _State:
    """What lasts from segment to segment; `offset` is where in the target.

    The allowances keep the time of a hostile delta in proportion to its target.
    """

    def __init__(self, space: Space, size: int, see: Callable[[Sequence[_Cover]], None]) -> None:
        self.space = space
        self.see = see
        self.memory = Memory()
        self.headers = TarHeaders()
        self.size = size
        self.offset = 0
        self.where: AddressMap | None = None  # of the group that is carried out
        self.steps: Iterator[tuple[int, _Cover]] = iter(())  # what is left of it
        self.follows = 0  # the source position where the last copy would go on
        self._groups = FREE_GROUPS + size // BYTES_PER_GROUP
        self._instructions = FREE_INSTRUCTIONS + size // BYTES_PER_INSTRUCTION
        self._debug = size + space.size  # bytes of debugging information that may still be read
        self._mixed: MixedContent | None = None
        self._unmixed = MAX_MIXED  # bytes that may still be mixed

    def map(self, addresses: Addresses, covers: Sequence[_Cover]) -> AddressMap:
        """Return the addresses of a group; count its debugging information."""
        debug = addresses.debug
        if debug is not None:
            self._debug -= debug.size
            holds = self.space.holds
            if not holds(debug.info, debug.info_size) or not holds(debug.abbreviations, debug.abbreviations_size):
                raise FormatError("delta: debugging information outside its source")
            if self._debug < 0:
                raise FormatError("delta: more debugging information than source and target may have")
        return AddressMap(addresses, covers, self.memory, self.space.slice)

    def mixed(self, stored: bytes) -> MixedContent:
        """Return what reads the mixed bytes of a segment."""
        if self._mixed is None:
            self._mixed = MixedContent(self.size)
        self._mixed.read(stored)
        return self._mixed

    def spend_mixed(self, size: int) -> None:
        """Count mixed literals or corrections."""
        self._unmixed -= size
        if self._unmixed < 0:
            raise FormatError(f"delta: more than {MAX_MIXED} bytes are mixed")

    def spend(self, instructions: int) -> None:
        """Count one group of so many instructions."""
        self._groups -= 1
        self._instructions -= instructions
        if not 0 < instructions <= MAX_INSTRUCTIONS or self._groups < 0 or self._instructions < 0:
            raise FormatError("delta: an empty group, or more groups or instructions than the target may have")


class _OpenSegment:
    """One segment while it is carried out: what is left of each column."""

    def __init__(self, data: list[bytes], mixed: bytes, state: _State) -> None:
        self.copies = not mixed and not any(data[column] for column in (columns.MODES, *columns.MIXED))
        """Whether nothing but copies of sources is in it."""
        self._control = varints.iterate(data[columns.CONTROL])
        self._lengths = varints.iterate(data[columns.LENGTHS])
        self._sources = varints.iterate(data[columns.SOURCES])
        self._modes = iter(data[columns.MODES])
        self._literals = memoryview(data[columns.LITERALS])
        self._differences = DifferenceReader(data[columns.GAPS], data[columns.VALUES])
        self._mixed = state.mixed(mixed) if mixed else None
        self._state = state
        self._expected = 0  # the source position where the last cover would go on

    def run(self) -> Iterator[bytes]:
        """Yield the target's bytes."""
        state = self._state
        out = bytearray()
        for _ in range(next(self._control, 0)):
            step = next(state.steps, None)
            if step is None:
                self._begin_group()
                step = next(state.steps)
            literal, cover = step
            if literal:
                out += self._literal(literal)
            offset, position, length = cover
            if length:
                mode = PLAIN if state.where is None else next(self._modes, -1)
                if mode != PLAIN:
                    out += self._predicted(mode, cover)
                else:
                    for start in range(0, length, CHUNK):
                        if len(out) >= CHUNK:
                            yield bytes(out)
                            out.clear()
                        piece = state.space.ahead(position + start, min(length - start, CHUNK))
                        out += self._copied(piece, cover, start)
                state.follows = position + length
            state.offset = offset + length
            if len(out) >= CHUNK:
                yield bytes(out)
                out.clear()
        yield bytes(out)
        for column in (self._control, self._lengths, self._sources, self._modes):
            if next(column, None) is not None:
                raise FormatError("delta: a column is longer than its use")
        if self._literals or not self._differences.done or (self._mixed is not None and not self._mixed.used_up):
            raise FormatError("delta: a column is longer than its use")

    def _begin_group(self) -> None:
        """Read a group's head and instructions."""
        count = next(self._control, 0)
        self._state.spend(count)
        addresses = Addresses.read(self._control)
        literals, covers = self._instructions(count)
        self._state.see(covers)
        self._state.where = self._state.map(addresses, covers) if addresses is not None else None
        self._state.steps = iter(list(zip(literals, covers, strict=True)))

    def _instructions(self, count: int) -> tuple[list[int], list[_Cover]]:
        """Read a group's instructions: for each the length of its literal, and its cover, maybe empty."""
        literals: list[int] = []
        covers: list[_Cover] = []
        lengths, sources, holds = self._lengths, self._sources, self._state.space.holds
        offset, size, expected = self._state.offset, self._state.size, self._expected
        for _ in range(count):
            literal = next(lengths, None)
            length = next(lengths, None)
            if literal is None or length is None:
                raise FormatError("delta: fewer instructions than declared")
            if not 0 < literal + length <= size - offset:
                raise FormatError("delta: an empty instruction, or more than the target's size")
            offset += literal
            position = 0
            if length:
                step = next(sources, None)
                if step is None:
                    raise FormatError("delta: fewer source positions than covers")
                position = expected + varints.unzigzag(step)
                if not holds(position, length):
                    raise FormatError("delta: a cover outside its source")
                expected = position + length
            literals.append(literal)
            covers.append((offset, position, length))
            offset += length
        self._expected = expected
        return literals, covers

    def _literal(self, size: int) -> memoryview | bytearray:
        if self._mixed is not None and size:
            self._state.spend_mixed(size)
            piece = bytearray(size)
            self._mixed.literal(piece, self._state.space.ahead(self._state.follows, size), self._state.offset)
            return piece
        if size > len(self._literals):
            raise FormatError("delta: fewer literals than declared")
        literal = self._literals[:size]
        self._literals = self._literals[size:]
        return literal

    def _copied(self, source: memoryview, cover: _Cover, start: int) -> memoryview | bytearray:
        """Return a piece of a copy without prediction, from `start` on, as it should be. It is the same as `source`."""
        headers = find_headers(source)
        if not headers:
            return self._corrected(source, PLAIN, cover, start)
        known, copy = self._state.headers, bytearray(source)
        if self._is_right(PLAIN, source):
            known.foretell(source, copy, copy, headers)
            return copy
        piece, at = memoryview(copy), 0
        for header in headers:
            known.foretell_time(source, copy, header)
            self._correct_part(piece[at : header + CHECKSUM], cover, start + at)
            known.foretell_checksum(source, copy, copy, header)
            at = header + CHECKSUM
        self._correct_part(piece[at:], cover, start + at)
        return copy

    def _correct_part(self, part: memoryview, cover: _Cover, start: int) -> None:
        if not self._is_right(PLAIN, part):
            self._correct(part, PLAIN, cover, start)

    def _corrected(
        self, piece: memoryview | bytearray, mode: int, cover: _Cover, start: int = 0
    ) -> memoryview | bytearray:
        """Return a copy as it should be: that of the `cover`, or of a piece of it from `start` on."""
        if self._is_right(mode, piece):
            return piece
        copy = piece if isinstance(piece, bytearray) else bytearray(piece)
        self._correct(copy, mode, cover, start)
        return copy

    def _is_right(self, mode: int, piece: memoryview | bytearray) -> bool:
        if self._mixed is not None:
            is_right: bool = self._mixed.is_right(False, kind(mode), piece)
            return is_right
        return self._differences.skip_right(len(piece))

    def _correct(self, copy: memoryview | bytearray, mode: int, cover: _Cover, start: int) -> None:
        """Correct a copy in place, of the `cover` from `start` on."""
        if self._mixed is not None:
            self._state.spend_mixed(self._mixed.correct(copy, b"", kind(mode), self._landing(cover) + start))
        else:
            self._differences.apply(copy)

    def _landing(self, cover: _Cover) -> int:
        """Return the address of a cover in the target."""
        offset, position, _ = cover
        where = self._state.where
        return offset if where is None else where.locate(offset, position)[1]

    def _predicted(self, mode: int, cover: _Cover) -> memoryview | bytearray:
        offset, position, length = cover
        where = self._state.where
        base = None if where is None or mode < 0 else where.base(mode)
        if where is None or base is None or length > MAX_COVER:
            raise FormatError("delta: no mode, an unknown one, or one for a cover that is too long")
        source = self._state.space.ahead(position, length)
        pair = where.locate(offset, position)
        copy = bytearray(source)
        where.predictor.run(source, copy, mode, PREDICT, *pair, *base)
        corrected = self._corrected(copy, mode, cover)
        where.predictor.run(source, corrected, mode, LEARN, *pair, *base)
        return corrected
