"""What of a target comes from where: covers, found coarsely over everything and finely where that left gaps.

Anchors find the long equal regions of all sources. A tar member that they do not tile completely is aligned
again, byte by byte, with those parts of the sources that resemble it: its older version, which has most of what the
anchors have found of it (`airpatch.delta.olds`), and wherever else they have found pieces of it.
What is no tar is cut into pieces of fixed size and treated alike. Memory depends on the limits below, not on
the sizes of target and sources.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from airpatch.delta import elf, offset_tables, program_alignment, programs
from airpatch.delta.anchors import Anchors
from airpatch.delta.byte_differences import unequal
from airpatch.delta.faint_covers import resembles, with_faint
from airpatch.delta.olds import Cover, Old, Olds, middle
from airpatch.delta.programs import Program
from airpatch.delta.rewritten_files import extended, rewritten
from airpatch.delta.source_space import Space
from airpatch.delta.spans import cut, holds, outside, within
from airpatch.delta.tar_members import TarMember, members
from airpatch.delta.tiles import MAX_TILE, Tile, tiles
from airpatch.delta.windows import Window, Windows

_STRETCH = 1 << 25  # bytes of target for which the anchors' matches are held at once
_COPIED = 1 << 24  # bytes of target and source that are compared, or copied, before their pages are released
_COMPARED = 1 << 20
_WINDOW = 1 << 25  # bytes of source that a tile is aligned with, at most: 64 MiB of index
_EXTRA = 1 << 24  # bytes of them for matches elsewhere than in the old file
_MAX_MATCHES = 1 << 12  # of a tile: so many, the longest, are looked around
_NEAR = 1 << 12  # bytes around a match that are worth a fine look
_SMALL = 1 << 22  # bytes of sources that are aligned with as a whole where there is no better hint
_MIN_MATCH = 64
_FILES = 8  # entries of the index of anchors, of 8 bytes, for each file of the sources that is known, of 48 bytes

Gap = tuple[int, int, Cover | None, Cover | None]  # target offsets, start and stop; the matches before and after


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the target and its covers; `program` is set if it is one and has an older
    version."""

    start: int
    end: int
    covers: list[Cover]
    exact: bool = False  # each cover is equal byte by byte, but for headers of members
    program: Program | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a target and of each of its sources, in order; None where they are those of a tar."""

    target: Sequence[TarMember] | None = None
    sources: Sequence[Sequence[TarMember] | None] = ()


TARS = Members()


def whole_copy(target: memoryview, space: Space, release_pages: Callable[[], None]) -> Iterator[Unit] | None:
    """Return the whole target in parts that are copied, if it is one of the sources; that takes no index of them."""
    for base, source in zip(space.bases, space.sources, strict=True):
        if len(source) == len(target) and _is_same(target, source, release_pages):
            return _copied(len(target), base, release_pages)
    return None


def _is_same(target: memoryview, source: memoryview, release_pages: Callable[[], None]) -> bool:
    """Compare two buffers of one size."""
    for start in range(0, len(target), _COPIED):
        for at in range(start, min(start + _COPIED, len(target)), _COMPARED):
            if bytes(target[at : at + _COMPARED]) != bytes(source[at : at + _COMPARED]):
                return False
        release_pages()
    return True


def _copied(size: int, base: int, release_pages: Callable[[], None]) -> Iterator[Unit]:
    for start in range(0, size, _COPIED):
        end = min(start + _COPIED, size)
        yield Unit(start, end, [(start, base + start, end - start)], exact=True)
        release_pages()


class Planner:
    """Plans targets over `space`. `known` says which files lie where, `entries` sizes the index of anchors, `tries` is
    how hard the alignment looks, `release_pages` is called now and then."""

    def __init__(
        self, space: Space, known: Members, entries: int, tries: int, release_pages: Callable[[], None]
    ) -> None:
        self._space = space
        self._members = known.target
        self._tries = tries
        self._release_pages = release_pages
        self._anchors = Anchors(space, entries, release_pages)
        self._olds = Olds(self._files(known), entries // _FILES)

    def _files(self, known: Members) -> Iterator[tuple[int, TarMember]]:
        """Yield the members of all sources, with the position where their source begins."""
        each = known.sources or [None] * len(self._space.sources)
        for base, source, given in zip(self._space.bases, self._space.sources, each, strict=True):
            seen = 0  # of the source when its pages were dropped last: headers are small, but near each other
            for member in members(source) if given is None else given:
                if member.start - seen >= _STRETCH:
                    seen = member.start
                    self._release_pages()
                yield base, member

    def units(self, target: memoryview) -> Iterator[Unit]:
        """Yield the whole target in order, in parts; their covers ascend and lie within the part."""
        stretch: list[Tile] = []
        for tile in tiles(target, members(target) if self._members is None else self._members):
            stretch.append(tile)
            if tile.end - stretch[0].start >= _STRETCH:
                yield from self._stretch(target, stretch)
                stretch = []
        if stretch:
            yield from self._stretch(target, stretch)

    def _stretch(self, target: memoryview, tiles: Sequence[Tile]) -> Iterator[Unit]:
        found = self._anchors.matches(target, tiles[0].start, tiles[-1].end, _MIN_MATCH)
        matches = list(zip(found[::3], found[1::3], found[2::3], strict=True))
        self._release_pages()
        first = 0
        begin = tiles[0].start  # of the run of tiles that matches cover completely
        clean: list[Cover] = []
        following = 0  # the source position where the last cover would go on
        for tile in tiles:
            while first < len(matches) and matches[first][0] + matches[first][2] <= tile.start:
                first += 1
            last = first
            while last < len(matches) and matches[last][0] < tile.end:
                last += 1
            inside = within(matches[first:last], tile.start, tile.end)
            is_tiled = sum(length for _, _, length in inside) == tile.end - tile.start
            if not is_tiled or len(inside) > 1:
                again = rewritten(target, tile, self._olds, following, self._space, self._tries)
                if again:
                    inside, is_tiled = again, True
            if is_tiled:
                for cover in inside:
                    self._append(clean, cover)
                following = _end(clean)
                continue
            if begin < tile.start:
                yield Unit(begin, tile.start, clean, exact=True)
                clean = []
            begin = tile.end
            unit = self._refine(target, tile, inside, matches[max(first - 1, 0) : last + 1])
            following = _end(unit.covers)
            yield unit
            self._release_pages()
        if begin < tiles[-1].end:
            yield Unit(begin, tiles[-1].end, clean, exact=True)

    def _refine(self, target: memoryview, tile: Tile, inside: list[Cover], near: list[Cover]) -> Unit:
        """Align a tile with what resembles it: its old version, and what surrounds matches inside or near it.

        If the matches inside leave little open, only that is aligned.
        """
        old = self._olds.find(tile.member.path, tile.end - tile.start, inside) if tile.member is not None else None
        literal = extended(tile, old) if old is not None else 0
        if literal:
            begin, tile = tile.start, replace(tile, start=tile.start + literal)
            unit = self._refine(target, tile, within(inside, tile.start, tile.end), near)
            return replace(unit, start=begin)
        program = self._program(target, tile, old, inside)
        gaps = list(_gaps(tile, inside))
        matches = inside or near
        if inside and sum(5 * (stop - start) + 2 * _NEAR for start, stop, _, _ in gaps) < (tile.end - tile.start) // 2:
            return self._unit(target, tile, self._fill(target, gaps, tile.far(target)), program, old)
        if old is None or tile.member is None:
            windows = self._around(matches, _WINDOW)
            if not windows and self._space.size <= _SMALL:
                windows = self._whole()
            covers: list[Cover] = []
            self._align(target, tile.start, tile.end, windows, tile.far(target), covers)
            return Unit(tile.start, tile.end, covers)
        return self._unit(target, tile, self._like_old(target, tile, tile.member, old, matches, program), program, old)

    def _like_old(
        self,
        target: memoryview,
        tile: Tile,
        member: TarMember,
        old: Old,
        matches: list[Cover],
        program: Program | None,
    ) -> list[Cover]:
        """Align a tile with the older version of its member, and with what surrounds matches elsewhere.

        Of the parts of a program, which are aligned when references have a meaning, only the matches are returned.
        """
        covers: list[Cover] = []
        apart = [] if program is None else program.target_spans
        kept = [  # not moved against each other by an odd number of bytes: the index holds every second position
            (low - (low - old.start) % 8, high + (old.start - high) % 8)
            for low, high in outside(old.start, old.end, [] if program is None else program.source_spans)
        ]
        is_long = sum(high - low for low, high in kept) > _WINDOW
        step = _WINDOW // 2 if is_long else MAX_TILE
        for start in range(tile.start, tile.end, step):
            end = min(start + step, tile.end)
            low, high = old.start, old.end
            if is_long:
                guess = _counterpart(start, end, member, old, matches)
                low = min(max(guess - _WINDOW // 4, old.start), old.end - _WINDOW)
                high = low + _WINDOW
            windows = [(max(at, low), min(stop, high)) for at, stop in kept if max(at, low) < min(stop, high)]
            near = (match for span in outside(start, end, apart) for match in within(matches, *span))
            others = [match for match in near if not holds(windows, middle(match))]
            windows += self._around(others, _EXTRA)
            index = Windows(self._space, windows, self._tries, tile.far(target))
            for at, stop, is_apart in cut(start, end, apart):
                guess = _counterpart(at, stop, member, old, matches)
                for cover in within(matches, at, stop) if is_apart else index.align(target, at, stop, guess):
                    self._append(covers, cover)
            self._release_pages()
        if program is not None:
            return covers
        shifts = (old.content - member.content, old.content + old.size - member.content - member.size)
        faint: list[Cover] = []
        for cover in with_faint(covers, target, tile.start, tile.end, shifts, self._space.slice):
            self._append(faint, cover)
        return faint

    def _program(self, target: memoryview, tile: Tile, old: Old | None, inside: list[Cover]) -> Program | None:
        """Return what the tile and its older version tell of addresses, None if they are not programs."""
        member = tile.member
        before = None if old is None else self._space.slice(old.content, old.size)
        if old is None or before is None or member is None:
            return None
        if not tile.start <= member.content <= member.content + member.size <= tile.end:
            return None

        def expanded(section: elf.Section) -> tuple[int, int] | None:
            """Return where the sources hold the older version of a section of `after`, and its size."""
            start = member.content + section.offset
            found = self._olds.find(
                b"%s!%s" % (member.path, section.name), section.size, within(inside, start, start + section.size)
            )
            return None if found is None else (found.content, found.size)

        after = target[member.content : member.content + member.size]
        return programs.compare(after, member.content, before, old.content, expanded)

    def _unit(
        self, target: memoryview, tile: Tile, covers: list[Cover], program: Program | None, old: Old | None
    ) -> Unit:
        """Return the unit of these covers, better ones if the older version of the tile is known and tells what
        addresses or offsets become."""
        if program is not None:
            covers = program_alignment.align(program, target, self._space.slice, covers, self._tries)
        elif (
            old is not None
            and tile.member is not None
            and tile.start <= tile.member.content <= tile.member.end <= tile.end
        ):
            found = offset_tables.align(target, tile.member, old, covers, self._space.slice, self._tries)
            program, covers = found or (None, covers)
        return Unit(tile.start, tile.end, covers, program=program)

    def _fill(self, target: memoryview, gaps: list[Gap], far: int) -> list[Cover]:
        """Return the matches around the gaps, and what the gaps themselves can be made from."""
        covers: list[Cover] = []
        for start, stop, before, after in gaps:
            if before is not None:
                self._append(covers, before)
            size = stop - start
            if not size:
                continue
            end = before[1] + before[2] if before is not None else None
            if end is not None and after is not None and end + size == after[1]:
                old, new = self._space.slice(end, size), target[start:stop]
                if old is not None and (2 * unequal(new, old, size) <= size or resembles(new, old)):
                    self._append(covers, (start, end, size))
                    continue
            reach = 2 * size + _NEAR
            ends = [] if end is None else [(0, end - 1, reach)]
            if after is not None:
                ends.append((0, max(after[1] - reach, 0), reach))
            self._align(target, start, stop, self._around(ends, _WINDOW), far, covers)
        return covers

    def _align(
        self, target: memoryview, start: int, end: int, windows: list[Window], far: int, covers: list[Cover]
    ) -> None:
        """Append the covers of target[start:end] found in those of the windows that lie within one source."""
        for cover in Windows(self._space, windows, self._tries, far).align(target, start, end, 0):
            self._append(covers, cover)

    def _around(self, matches: list[Cover], limit: int) -> list[Window]:
        """Return windows of at most `limit` bytes around the matches, around the longest if these are too
        many."""
        windows: list[Window] = []
        for _, position, length in sorted(_joined(matches), key=lambda match: (-match[2], match[1]))[:_MAX_MATCHES]:
            number = self._space.locate(position)
            base = self._space.bases[number]
            low = max(position - _NEAR, base)
            high = min(position + length + _NEAR, base + len(self._space.sources[number]), low + limit)
            if low == high:
                break
            limit -= high - low
            windows.append((low, high))
        merged: list[Window] = []
        for low, high in sorted(windows):
            same = merged and self._space.locate(low) == self._space.locate(merged[-1][0])
            if same and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    def _whole(self) -> list[Window]:
        return [
            (base, base + len(source))
            for base, source in zip(self._space.bases, self._space.sources, strict=True)
            if len(source)
        ]

    def _append(self, covers: list[Cover], cover: Cover) -> None:
        """Append, joined with the last one if it goes on there in the same source."""
        if covers:
            at, where, length = covers[-1]
            if cover[0] == at + length and cover[1] == where + length:
                whole = (at, where, length + cover[2])
                if self._space.slice(where, whole[2]) is not None:
                    covers[-1] = whole
                    return
        covers.append(cover)


def _end(covers: Sequence[Cover]) -> int:
    """Return the source position where the last cover would go on."""
    return covers[-1][1] + covers[-1][2] if covers else 0


def _gaps(tile: Tile, matches: list[Cover]) -> Iterator[Gap]:
    """Yield what the matches leave open, perhaps nothing at the ends, with the match before and after it."""
    end = tile.start
    before: Cover | None = None
    for match in matches:
        yield end, match[0], before, match
        before = match
        end = match[0] + match[2]
    yield end, tile.end, before, None


def _counterpart(start: int, end: int, member: TarMember, old: Old, matches: list[Cover]) -> int:
    """Return the source position of what begins at `start`: as the longest match tells, else at the same height."""
    first = bisect_left(matches, start, key=lambda match: match[0])
    last = bisect_left(matches, end, first, key=lambda match: match[0])
    inside = [match for match in matches[first:last] if old.start <= middle(match) < old.end]
    if inside:
        at, where, _ = max(inside, key=lambda match: match[2])
        return where - (at - start)
    return old.start + (old.end - old.start) * (start - member.start) // (member.end - member.start)


def _joined(matches: Iterable[Cover]) -> Iterator[Cover]:
    """Yield the matches, which ascend, those joined that go on where the one before does, but for some bytes."""
    last: Cover | None = None
    for at, position, length in matches:
        if last is not None and position - at == last[1] - last[0] and at - last[0] - last[2] <= _NEAR:
            last = (last[0], last[1], at + length - last[0])
            continue
        if last is not None:
            yield last
        last = (at, position, length)
    if last is not None:
        yield last
