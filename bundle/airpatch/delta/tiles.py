"""Tiles: the parts of a target that are looked at one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airpatch.delta.tar_members import TarMember
from airpatch.delta.windows import far

MAX_TILE = 1 << 27
"""Bytes of a tile at most: longer members are cut."""
_PIECE = 1 << 22  # bytes of a tile where no member tells how far to go


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the target: a tar member or a piece of one or of what is no member."""

    start: int
    end: int
    member: TarMember | None

    def far(self, target: memoryview) -> int:
        """Return what a byte of a cover's place costs here, in bytes of content."""
        begin = self.start if self.member is None else max(self.start, self.member.content)
        return far(target[begin : self.end])


def tiles(target: memoryview, found: Iterable[TarMember]) -> Iterator[Tile]:
    """Yield tiles of the whole target: members, long ones into pieces, and what lies between and after them."""
    end = 0
    for member in found:
        yield from _pieces(end, member.start, _PIECE, None)
        yield from _pieces(member.start, member.end, MAX_TILE, member)
        end = member.end
    yield from _pieces(end, len(target), _PIECE, None)


def _pieces(start: int, end: int, most: int, member: TarMember | None) -> Iterator[Tile]:
    return (Tile(at, min(at + most, end), member) for at in range(start, end, most))
