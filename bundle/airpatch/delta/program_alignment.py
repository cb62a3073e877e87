"""Covers of programs, found where references count for what they mean.

Code that did not change differs in bytes wherever it refers to something that moved, and tables of addresses differ
everywhere. So both versions are *labelled*: each reference is replaced by the address in the target that it leads to,
which is known for most of the old version from the covers found so far. What means the same then has the same bytes,
and is aligned again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from airpatch.delta.addresses import AddressMap
from airpatch.delta.align import Aligner
from airpatch.delta.predict import BASED, LABEL, Memory, Predictor
from airpatch.delta.programs import Cover, Part, Program

_ROUNDS = 2
_PIECE = 1 << 24  # bytes of a section that are aligned at once
_WINDOW = 1 << 25  # bytes of the old one that they are aligned with, at most
_MIN_COVER = 8
_RELOCATION = struct.Struct("<QQQ")  # where, kind and symbol, addend (System V ABI, chapter 4, Relocation)
_POINTER = struct.Struct("<Q")


def align(program: Program, new: memoryview, old: memoryview, source: int, covers: list[Cover], tries: int) -> list[Cover]:
    """Return covers in place of `covers`, which were found in the bytes themselves.

    `new` is the target, `old` the bytes from source position `source`.
    """
    for _ in range(_ROUNDS):
        covers = _Labels(program, new, old, source, covers, tries).align()
    return covers


class _Labels:
    def __init__(
        self, program: Program, new: memoryview, old: memoryview, source: int, covers: list[Cover], tries: int
    ) -> None:
        self._program = program
        self._new = new
        self._old = old
        self._start = source
        self._covers = covers
        self._tries = tries
        self._map = AddressMap(program.addresses, covers, Memory()).predictor
        self._same = Predictor([(item.address, item.end) for item in program.addresses.targets], [], Memory())
        self._new_pointers = self._pointers(True)
        self._old_pointers = self._pointers(False)

    def align(self) -> list[Cover]:
        """Return the covers, those of all labelled sections found anew."""
        found: list[Cover] = []
        parts = sorted((part for part in self._program.parts if part.mode is not None), key=lambda part: part.target)
        end = 0
        for part in parts:
            if part.target < end:
                continue
            found += _within(self._covers, end, part.target)
            found += self._part(part)
            end = part.target + part.target_size
        found += _within(self._covers, end, 1 << 62)
        return found

    def _part(self, part: Part) -> Iterator[Cover]:
        for start in range(0, part.target_size, _PIECE):
            size = min(_PIECE, part.target_size - start)
            guess = part.source_size * start // part.target_size
            low = max(min(guess - (_WINDOW - size) // 2, part.source_size - _WINDOW), 0)
            window = min(_WINDOW, part.source_size - low)
            old = self._labelled(part, low, window, False)
            new = self._labelled(part, start, size, True)
            aligner = Aligner(memoryview(old), self._tries)
            triples = aligner.align(new, 0, size, start - low if low == 0 else guess - low)
            for at, where, length in zip(triples[::3], triples[1::3], triples[2::3], strict=True):
                if length >= _MIN_COVER:
                    yield part.target + start + at, part.source + low + where, length

    def _labelled(self, part: Part, start: int, size: int, new: bool) -> bytearray:
        assert part.mode is not None
        base = self._program.addresses.bases[(part.mode - BASED) >> 1] if part.mode >= BASED else (0, 0)
        if new:
            view = self._new[part.target + start : part.target + start + size]
            address, counted, predictor, pointers = part.landing, base[1], self._same, self._new_pointers
        else:
            at = part.source - self._start + start
            view = self._old[at : at + size]
            address, counted, predictor, pointers = part.origin, base[0], self._map, self._old_pointers
        labelled = bytearray(view)
        predictor.run(view, labelled, part.mode, LABEL, address + start, 0, counted, 0)
        if part.relocated:
            for place in range(-(address + start) % 8, size - 7, 8):
                label = pointers.get(address + start + place)
                if label is not None:
                    _POINTER.pack_into(labelled, place, label)
        return labelled

    def _pointers(self, new: bool) -> dict[int, int]:
        """Return what relocations put at which addresses."""
        found: dict[int, int] = {}
        for part in self._program.parts:
            if not part.relocations:
                continue
            at, size = (part.target, part.target_size) if new else (part.source - self._start, part.source_size)
            view = (self._new if new else self._old)[at : at + size // 24 * 24]
            for where, info, addend in _RELOCATION.iter_unpack(view):
                found[where] = addend if new else self._map.target_of(addend)
                if info >> 32:
                    found[where] ^= info >> 32 << 40
        return found


def _within(covers: list[Cover], start: int, stop: int) -> Iterator[Cover]:
    for at, position, length in covers:
        low = max(at, start)
        high = min(at + length, stop)
        if low < high:
            yield low, position + low - at, high - low
