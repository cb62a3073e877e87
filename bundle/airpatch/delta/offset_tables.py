"""Files that begin with tables of offsets into what follows, such as catalogues of messages (.mo) and ld.so.cache.

One string more shifts nearly all offsets. So such a table is taken for one of a program whose offsets count from the
file's beginning: what each becomes follows from where the strings went (`airpatch.delta.predict`). Offsets are words of
32 bits, lowest byte first, that lead behind the tables: smaller numbers are lengths and the like.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from airpatch.delta import program_alignment
from airpatch.delta.addresses import Addresses, AddressMap, AddressRange, SliceOf
from airpatch.delta.byte_differences import unequal
from airpatch.delta.modes import BASED, PLAIN
from airpatch.delta.olds import Cover, Old
from airpatch.delta.programs import Program, ProgramSection
from airpatch.delta.references import PREDICT, Memory
from airpatch.delta.tar_members import TarMember
from airpatch.delta.windows import is_text

_LARGEST = 1 << 31  # bytes of a file whose offsets are not taken for negative ones
_LOOKED_AT = 1 << 12  # bytes of a file that tell whether it is text, and of a piece of which all words are looked at
_BEGINNING = 1 << 20  # bytes of a file in which such pieces are looked for
_SAMPLE = 1 << 18  # bytes of such pieces
_DENSE = 32  # a piece is looked at if one byte in so many is wrong
_LEAST = 16  # words that changed
_FEW = 4  # of these, one in so many must be an offset: beside them, lengths and hashes change
_INSTRUCTION = 4  # bytes that a cover costs, about
_HEAD = 64  # bytes that a group with addresses costs, about


def align(
    target: memoryview, member: TarMember, old: Old, covers: list[Cover], slice_of: SliceOf, tries: int
) -> tuple[Program, list[Cover]] | None:
    """Return the tables of a member as a program, and better covers than `covers`, which it has with its older version;
    None if it has no tables, or these covers are as good.
    """
    beginning = bytes(target[member.content : member.content + min(member.size, _LOOKED_AT)])
    if max(member.size, old.size) >= _LARGEST or is_text(beginning):
        return None
    words = list(_changed(target, member, old, covers, slice_of))
    offsets = [each for each in words if each[0] + 4 <= each[2] < old.size and each[1] + 4 <= each[3] < member.size]
    if len(offsets) < max(_LEAST, len(words) // _FEW):
        return None
    before, after = (max(each[side] for each in offsets) + 4 for side in (0, 1))
    program = _program(member.content, member.size, after, old.content, old.size, before)
    cut = list(program.cut(covers))
    aligned = program_alignment.align(program, target, slice_of, cut, tries)
    better = _cost(target, program, list(program.cut(aligned)), slice_of) + _HEAD
    return (program, aligned) if better < _cost(target, None, cut, slice_of) else None


def _changed(
    target: memoryview, member: TarMember, old: Old, covers: Sequence[Cover], slice_of: SliceOf
) -> Iterator[tuple[int, int, int, int]]:
    """Yield words that changed where many bytes did: where in the older version and in the new one, and the words."""
    left = _SAMPLE
    for at, position, length in covers:
        first = old.content - position if position < old.content else (old.content - position) % 4
        for start in range(first, length, _LOOKED_AT):
            size = min(_LOOKED_AT, length - start) & -4
            before, after = position + start - old.content, at + start - member.content
            source = slice_of(position + start, size)
            is_inside = after >= 0 and 0 <= before < min(old.size, _BEGINNING)
            if source is None or after % 4 or not is_inside or left <= 0:
                break
            new = target[at + start : at + start + size]
            if not size or _DENSE * unequal(new, source, size) < size:
                continue
            left -= size
            words = zip(*(struct.unpack(f"<{size // 4}I", data) for data in (source, new)), strict=True)
            for number, (word, became) in enumerate(words):
                if word != became:
                    yield before + 4 * number, after + 4 * number, word, became


def _program(target: int, target_size: int, after: int, source: int, source_size: int, before: int) -> Program:
    """Return a program whose first `after` bytes, `before` in the older version, are a table of offsets."""
    addresses = Addresses(
        (AddressRange(source + before, source_size - before, before, 0),),
        (AddressRange(target + after, target_size - after, after, 0),),
        bases=((0, 0),),
    )
    part = ProgramSection(target, after, target, source, before, source, BASED, False, False)
    return Program(addresses, None, (part,), (0, source, source + before), (PLAIN, BASED, PLAIN))


def _cost(target: memoryview, program: Program | None, covers: Sequence[Cover], slice_of: SliceOf) -> int:
    """Return about how many bytes covers cost, less what they cover."""
    where = None if program is None else AddressMap(program.addresses, covers, Memory(), slice_of)
    cost = 0
    for at, position, length in covers:
        source, new = slice_of(position, length), target[at : at + length]
        if source is None:
            continue
        wrong = unequal(new, source, length)
        if where is not None and program is not None and wrong and program.mode(position) == BASED:
            piece = bytearray(source)
            where.predictor.run(source, piece, BASED, PREDICT, *where.locate(at, position), 0, 0)
            wrong = min(wrong, unequal(new, piece, length))
        cost += _INSTRUCTION + wrong - length
    return cost
