"""Chooses which streams of a target and of its sources to expand, and makes their views (spec/VIEWS.md, Writers).

What is the same on both sides stays packed and is copied. In the target, streams are expanded that changed and that a
replica reproduces; in the sources, streams that changed and whose names or places are like those of the target's.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import xxhash

from airpatch.delta.tar_members import TarMember, members
from airpatch.sketches.bare_names import bare
from airpatch.views import framings
from airpatch.views.counterparts import expandable
from airpatch.views.description import END, FIRST_CODING, REST, SKIP, Coding, View
from airpatch.views.expand import largest_view
from airpatch.views.finders import containers, zstd_hints
from airpatch.views.prove import LIKEWISE, Prover, ViewReader
from airpatch.views.survey import FoundLevel, Sides, check, streams

_NEAR = 1 << 10
"""Bytes between expanded streams of a source that the view includes: headers."""
MIN_PYC = 192 << 10
"""Bytes of changed compiled files of Python from which on a view is worth what it takes itself, 0.5 kB: it saves some
3 bytes a kB of them, where other views save most of what changed.
"""

_STRETCH = 64 << 20
_ABBREVIATIONS, _INFO = b"debug_abbrev", b"debug_info"
"""Ends of the names of sections of programs, but for what follows them if zstd packs these."""
_SECTION_ENDINGS = (b"", zstd_hints.SUFFIX + b"!")


@dataclass(frozen=True, slots=True)
class Views:
    """The view of a target and that of its sources, and where files and streams lie in them."""

    target: View
    source: View
    target_size: int
    source_size: int
    target_members: list[TarMember]
    source_members: list[TarMember]


@dataclass(frozen=True, slots=True)
class _File:
    member: TarMember
    base: int
    """Where its layer begins in the concatenated sources."""
    data: memoryview


def choose(
    target: memoryview,
    sources: Sequence[memoryview],
    release_pages: Callable[[], None] = lambda: None,
    prover: Prover | None = None,
    reader: ViewReader = LIKEWISE,
) -> Views | None:
    """Return the views by which `target` is made from `sources`, uncompressed layers; None if nothing needs to be
    expanded.

    Their codings are among those that `reader` knows. `release_pages` is called after about every 64 MiB looked at, so
    that a caller who maps files may drop pages, and before each stream that a slow library makes.
    """
    fresh = _Candidates(target, 0, release_pages)
    given = []
    base = 0
    for source in sources:
        given.append(_Candidates(source, base, release_pages))
        base += len(source)
    known = set().union(*(each.hashes for each in given))
    new = list(fresh.files(lambda value, _: value not in known))
    has = set(fresh.hashes)
    paths = {xxhash.xxh3_64_intdigest(file.member.path) for file in new}
    old = [file for each in given for file in each.files(lambda value, path: value not in has or path in paths)]
    sides = Sides([(f.data, f.member.path) for f in new], [(f.data, f.member.path) for f in old])
    prover = prover or Prover(pause=release_pages)
    beside = expandable(*sides.levels, (target, *sources))
    kept = [_kept_target(levels, sides.digests[1], beside, prover, reader) for levels in sides.levels[0]]
    if not _is_worthwhile(kept):
        return None
    wanted = _WantedStreams(_all_streams(kept), _all_streams(sides.levels[1]))
    held = [_kept_source(levels, sides.digests[0], wanted, reader) for levels in sides.levels[1]]
    target_view = _Target()
    target_view.layer(target, [(file, levels) for file, levels in zip(new, kept, strict=True) if levels])
    source_view = _Source()
    source_view.row([(file, levels) for file, levels in zip(old, held, strict=True) if levels])
    if target_view.position > largest_view(len(target)) or source_view.position > largest_view(base):
        return None
    return Views(
        target_view.view(),
        source_view.view(),
        target_view.position,
        source_view.position,
        target_view.members(),
        source_view.members(),
    )


def _is_worthwhile(files: Sequence[Sequence[FoundLevel]]) -> bool:
    """Return whether a view that expands these levels makes a patch smaller."""
    levels = [level for file in files for level in file]
    only_pyc = all(level.framing == framings.PYC for level in levels)
    return bool(levels) and not (only_pyc and sum(level.size for level in levels) < MIN_PYC)


class _Candidates:
    """The files of a layer that may hold streams, 24 bytes of memory for each: a layer may have millions.

    What is not a tar archive counts as one file.
    """

    def __init__(self, layer: memoryview, base: int, release_pages: Callable[[], None]) -> None:
        self._layer = layer
        self._base = base
        self._starts, self.hashes, self._paths = array("q"), array("Q"), array("Q")
        self._is_tar = False
        seen = 0
        for member in members(layer):
            self._is_tar = True
            content = layer[member.content : member.content + member.size]
            if containers.may_hold(content, member.path):
                self._starts.append(member.start)
                self.hashes.append(_hash(content, release_pages))
                self._paths.append(xxhash.xxh3_64_intdigest(member.path))
            if member.end - seen >= _STRETCH:
                seen = member.end
                release_pages()
        if not self._is_tar and containers.may_hold(layer, b""):
            self._starts.append(0)
            self.hashes.append(_hash(layer, release_pages))
            self._paths.append(xxhash.xxh3_64_intdigest(b""))

    def files(self, wanted: Callable[[int, int], bool]) -> Iterator[_File]:
        """Yield those whose hashes of content and path are `wanted`."""
        for start, value, path in zip(self._starts, self.hashes, self._paths, strict=True):
            if wanted(value, path):
                member = TarMember(b"", 0, 0, len(self._layer), len(self._layer))
                if self._is_tar:
                    found = next(iter(members(self._layer[start:])))
                    member = found._replace(start=start, content=start + found.content, end=start + found.end)
                yield _File(member, self._base, self._layer[member.content : member.content + member.size])


def _hash(data: memoryview, release_pages: Callable[[], None]) -> int:
    hasher = xxhash.xxh3_64()
    for at in range(0, len(data), _STRETCH):
        hasher.update(data[at : at + _STRETCH])
        if at:
            release_pages()
    return hasher.intdigest()


def _kept_target(
    levels: Sequence[FoundLevel], others: set[int], beside: set[bytes], prover: Prover, reader: ViewReader
) -> list[FoundLevel]:
    """Return those of `levels` that changed and that a replica reproduces, or that hold such streams; those of
    brotli and zstd if their names are in `beside`.
    """
    kept = []
    for level in levels:
        if not level.is_stream:
            level.inside = _kept_target(level.inside, others, beside, prover, reader)
            if any(True for _ in streams(level.inside)):
                if reader.knows(Coding(level.framing)):
                    kept.append(level)
                else:
                    reader.note_unknown(Coding(level.framing))
        elif (level.digest not in others or _is_needed(level, levels, others)) and (
            level.framing not in framings.LARGE or level.name in beside
        ):
            encoder = prover.encoder(level, reader) if check(level) else None
            if encoder is not None:
                level.encoder = encoder
                level.inside = _kept_target(level.inside, others, beside, prover, reader)
                kept.append(level)
    return _with_directories(kept, levels, reader)


def _is_needed(level: FoundLevel, beside: Sequence[FoundLevel], others: set[int]) -> bool:
    """Return whether the debugging information in `beside` cannot be understood without `level`."""
    stem, found, ending = level.name.rpartition(_ABBREVIATIONS)
    if not level.is_section or not found or ending not in _SECTION_ENDINGS:
        return False
    name = stem + _INFO + ending
    return any(each.name == name and each.digest not in others for each in beside)


def _kept_source(
    levels: Sequence[FoundLevel], others: set[int], wanted: _WantedStreams, reader: ViewReader
) -> list[FoundLevel]:
    kept = []
    for level in levels:
        if not reader.knows(Coding(level.framing)):
            continue
        inside = _kept_source(level.inside, others, wanted, reader)
        if not level.is_stream:
            level.inside = inside
            if any(True for _ in streams(inside)):
                kept.append(level)
        elif inside or wanted.want(level, others):
            level.inside = inside
            if check(level):
                level.inside = [each for each in level.inside if reader.knows(Coding(each.framing))]
                kept.append(level)
    return _with_directories(kept, levels, reader)


def _with_directories(kept: list[FoundLevel], levels: Sequence[FoundLevel], reader: ViewReader) -> list[FoundLevel]:
    """Return `kept`, and the directories beside it unless it is empty."""
    has_directories = kept and reader.knows(Coding(framings.DIRECTORY))
    directories = [level for level in levels if level.framing == framings.DIRECTORY] if has_directories else []
    return sorted((*kept, *directories), key=lambda level: level.start)


def _all_streams(files: Iterable[Iterable[FoundLevel]]) -> Iterator[FoundLevel]:
    for levels in files:
        for level in streams(levels):
            yield level
            yield from _all_streams([level.inside])


class _WantedStreams:
    """Which streams of the sources may be counterparts of those that are expanded in the target.

    A stream with the name of one is wanted even if the target also has it, since it is then somewhere else. Of those
    that the target lacks, names count without what builds put into them. Where no source has such a name, whatever
    lies in the same folder of a container and ends alike is wanted: a hash in its name may not look like one.
    """

    def __init__(self, fresh: Iterable[FoundLevel], held: Iterable[FoundLevel]) -> None:
        self._names = {level.name for level in fresh}
        self._bare = {bare(name) for name in self._names}
        self._kinds = set(map(_kind, self._bare.difference(bare(level.name) for level in held)))

    def want(self, level: FoundLevel, others: set[int]) -> bool:
        """Return whether a stream of a source is wanted; `others` are streams that the target has."""
        if level.name in self._names or level.digest in others:
            return level.name in self._names
        name = bare(level.name)
        return name in self._bare or _kind(name) in self._kinds


def _kind(name: bytes) -> tuple[bytes, bytes]:
    """Return the folder in its container, or of the file that is itself a stream, and the end of the name."""
    folder, _, last = name.rstrip(b"!").rpartition(b"!")[2].rpartition(b"/")
    return folder, last.rpartition(b".")[2]


@dataclass(slots=True)
class _RecordWriter:
    """Assembles records. `position` is the current offset in the view, `members` says what lies where in it."""

    codings: dict[Coding, int] = field(default_factory=dict)
    actions: bytearray = field(default_factory=bytearray)
    lengths: array[int] = field(default_factory=lambda: array("q"))
    position: int = 0
    cuts: list[tuple[int, TarMember | None]] = field(default_factory=list)

    def view(self) -> View:
        return View(tuple(self.codings), bytes(self.actions), self.lengths)

    def members(self) -> list[TarMember]:
        """Return what lies where in the view: files and streams, each extending to the next one."""
        found = []
        for (start, member), (end, _) in pairwise([*self.cuts, (self.position, None)]):
            if member is not None and start < end:
                size = min(member.size, max(end - member.content, 0))
                found.append(TarMember(member.path, start, member.content, size, end))
        return found

    def _put(self, length: int, action: int) -> None:
        self.lengths.append(length)
        self.actions.append(action)

    def _copy(self, length: int, action: int) -> None:
        self._put(length, action)
        self.position += length

    def _begin(self, gap: int, level: FoundLevel, encoder: str) -> None:
        """Begin `level` after `gap` bytes that are copied; those near it belong to it."""
        coding = Coding(level.framing, encoder)
        self._copy(gap, FIRST_CODING + self.codings.setdefault(coding, len(self.codings)))
        start = self.position - (gap if gap <= _NEAR else 0)
        if (level.is_stream and not level.is_whole) or level.framing == framings.DIRECTORY:
            self._name(level, start)

    def _name(self, level: FoundLevel, start: int) -> None:
        """Note that `level` and what is near it begins at `start`."""
        self._cut(start, TarMember(level.name, start, self.position + level.header, 1 << 62, 0))

    def _end(self, level: FoundLevel) -> None:
        """Note that `level` has ended."""
        self._cut(self.position, None)

    def _cut(self, start: int, member: TarMember | None) -> None:
        if self.cuts and self.cuts[-1][0] == start:
            self.cuts.pop()
        self.cuts.append((start, member))


class _Target(_RecordWriter):
    """The view of a target."""

    def layer(self, layer: memoryview, files: Sequence[tuple[_File, list[FoundLevel]]]) -> None:
        expanded = {file.member.content: levels for file, levels in files}
        at = 0
        for member in members(layer) if files[0][0].member.path != b"" else [files[0][0].member]:
            shift = self.position - at
            start, content = member.start + shift, member.content + shift
            self._cut(start, TarMember(member.path, start, content, member.size, 0))
            own = len(self.cuts) - 1
            levels = expanded.get(member.content, [])
            for level in levels:
                at = self._level(level, member.content + level.start, at)
            if all(level.is_section for level in levels):
                grown = self.position - at - shift
                self.cuts[own:] = [(start, TarMember(member.path, start, content, member.size + grown, 0))]
            else:
                self._cut(self.position, None)
        self._copy(len(layer) - at, END)

    def _name(self, level: FoundLevel, start: int) -> None:
        """Note where `level` begins, unless it is a section: a program is compared as a whole."""
        if not level.is_section:
            super()._name(level, start)

    def _end(self, level: FoundLevel) -> None:
        if not level.is_section:
            super()._end(level)

    def _level(self, level: FoundLevel, start: int, at: int) -> int:
        """Begin and end `level`, which begins at `start` of the enclosing level, where the view is at `at`."""
        self._begin(start - at, level, level.encoder)
        inner = 0
        for each in level.inside:
            inner = self._level(each, each.start + level.header, inner)
        self._copy(level.size - inner, END)
        self._end(level)
        return start + level.end - level.start


class _Source(_RecordWriter):
    """The view of sources. What is not inside a stream is dropped, since the sources themselves have it."""

    def row(self, files: Sequence[tuple[_File, list[FoundLevel]]]) -> None:
        at = 0
        for file, levels in files:
            base = file.base + file.member.content
            for level in levels:
                at = self._level(level, base + level.start, at, True)
        self._put(0, END)

    def _level(self, level: FoundLevel, start: int, at: int, is_there: bool) -> int:
        self._begin(self._pass(start - at, is_there), level, "")
        inner = 0
        for each in level.inside:
            inner = self._level(each, each.start + level.header, inner, is_there and level.framing == framings.ARCHIVE)
        if level.is_stream:
            self._put(0, REST)
            self.position += level.size - inner
        else:
            rest = level.size - inner
            self._copy(self._pass(rest, is_there) if level.framing == framings.ARCHIVE else rest, END)
        self._end(level)
        return start + level.end - level.start

    def _pass(self, gap: int, is_there: bool) -> int:
        """Drop the part of a gap that is far from a stream; return how much to copy."""
        if gap <= _NEAR or not is_there:
            return gap
        self._put(gap - _NEAR // 4, SKIP)
        return _NEAR // 4
