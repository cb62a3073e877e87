"""Covers of programs, found where references count for what they mean.

Code that did not change differs in bytes wherever it refers to something that moved, and tables of addresses differ
everywhere. So both versions are *labelled*: each reference is replaced by the address in the target that it leads to,
which is known for most of the old version from the covers found so far. What means the same then has the same bytes,
and is aligned again.
"""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.delta.addresses import AddressMap, SliceOf
from airpatch.delta.align import Aligner
from airpatch.delta.modes import BASED
from airpatch.delta.predict import Predictor
from airpatch.delta.programs import Cover, Program, ProgramSection
from airpatch.delta.references import LABEL, Memory
from airpatch.delta.spans import within
from airpatch.delta.windows import FAR_IN_DATA

_PIECE = 1 << 24  # bytes of a section that are aligned at once
_WINDOW = 1 << 25  # bytes of the old one that they are aligned with
_WHOLE = _WINDOW + _WINDOW // 4  # bytes of an old one that is aligned with as a whole, which takes one index
_MIN_COVER = 16
_KNOWN = 0.75  # of the parts of a program: where so much has a cover, a first round of labels finds little more


def align(program: Program, new: memoryview, slice_of: SliceOf, covers: list[Cover], tries: int) -> list[Cover]:
    """Return covers in place of `covers`, which were found in the bytes themselves.

    `new` is the target, `slice_of` gives bytes of the sources.
    """
    if not _is_known(program, covers):
        covers = _Labels(program, new, slice_of, covers, 1).align()
    return _Labels(program, new, slice_of, covers, tries).align()


def _is_known(program: Program, covers: list[Cover]) -> bool:
    """Return whether the covers say of most of the program where it came from."""
    size = sum(part.target_size for part in program.parts)
    ends = ((part.target, part.target + part.target_size) for part in program.parts)
    return sum(length for span in ends for _, _, length in within(covers, *span)) >= _KNOWN * size


class _Labels:
    def __init__(self, program: Program, new: memoryview, slice_of: SliceOf, covers: list[Cover], tries: int) -> None:
        self._program = program
        self._new = new
        self._slice_of = slice_of
        self._covers = covers
        self._tries = tries
        self._map = AddressMap(program.addresses, covers, Memory()).predictor
        self._same = Predictor([(item.address, item.end) for item in program.addresses.targets], [], Memory())
        self._read_debug_info()

    def _read_debug_info(self) -> None:
        before, after = self._program.addresses.debug, self._program.debug
        if before is None or after is None:
            return
        bases = self._program.addresses.bases
        infos = (
            before.open(self._slice_of, bases),
            after.open(lambda at, size: self._new[at : at + size], [(target, target) for _, target in bases]),
        )
        for predictor, info in zip((self._map, self._same), infos, strict=True):
            if info is not None:
                predictor.read_fields(info)

    def align(self) -> list[Cover]:
        """Return the covers, those of all labelled sections found anew."""
        found: list[Cover] = []
        parts = sorted(self._program.parts, key=lambda part: part.target)
        end = 0
        for part in parts:
            if part.target < end:
                continue
            found += within(self._covers, end, part.target)
            found += self._part(part)
            end = part.target + part.target_size
        found += within(self._covers, end, len(self._new))
        return found

    def _part(self, part: ProgramSection) -> Iterator[Cover]:
        indexed = -1
        for start in range(0, part.target_size, _PIECE):
            size = min(_PIECE, part.target_size - start)
            guess = part.source_size * start // part.target_size
            low, window = 0, part.source_size
            if window > _WHOLE:
                low = max(min(guess - (_WINDOW - size) // 2, part.source_size - _WINDOW), 0)
                window = min(_WINDOW, part.source_size - low)
            if low != indexed:
                aligner = Aligner(memoryview(self._labelled(part, low, window, False)), self._tries, FAR_IN_DATA)
                indexed = low
            new = self._labelled(part, start, size, True)
            triples = aligner.align(new, 0, size, guess - low)
            for at, where, length in zip(triples[::3], triples[1::3], triples[2::3], strict=True):
                if length >= _MIN_COVER:
                    yield part.target + start + at, part.source + low + where, length

    def _labelled(self, part: ProgramSection, start: int, size: int, new: bool) -> bytearray:
        base = self._program.addresses.bases[(part.mode - BASED) // 3] if part.mode >= BASED else (0, 0)
        if new:
            address, counted, predictor = part.landing, base[1], self._same
        else:
            address, counted, predictor = part.origin, base[0], self._map
        view = self._bytes(part, new)[start : start + size]
        labelled = bytearray(view)
        predictor.run(view, labelled, part.mode, LABEL, address + start, 0, counted, 0)
        if part.relocated:
            for table in self._program.parts:
                if table.relocations:
                    predictor.relocate(self._bytes(table, new), labelled, address + start)
        return labelled

    def _bytes(self, part: ProgramSection, new: bool) -> memoryview:
        if new:
            return self._new[part.target : part.target + part.target_size]
        return self._slice_of(part.source, part.source_size) or memoryview(b"")
