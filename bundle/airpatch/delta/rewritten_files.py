"""Files that were written again: the same content, behind a header that is nearly the same, at another time or by
another tool.

Such a tool may add or leave out extended headers, before all files of a layer. Sources have nothing like those that it
adds, but all of them are alike: as literals they pack closer than as copies of what resembles them a little.
"""

from __future__ import annotations

from airpatch.delta.byte_differences import unequal
from airpatch.delta.olds import Cover, Old, Olds
from airpatch.delta.source_space import Space
from airpatch.delta.tar_members import BLOCK, TarMember
from airpatch.delta.tiles import Tile
from airpatch.delta.windows import Windows

_NAME = 100
"""Bytes of a header that begin a member's path."""
_SAME_NAME, _LIKE = 128, 24
"""Bytes in which headers may differ that are not looked at more closely: those that begin with one name, and others."""
_EXTENDED = 1 << 12
"""Bytes of extended headers at most: larger ones are looked at like content."""
_COMPARED = 1 << 20


def extended(tile: Tile, old: Old) -> int:
    """Return how many bytes of extended headers a tile begins with if its older version has none, else 0."""
    size = 0 if tile.member is None else tile.member.content - BLOCK - tile.start
    return size if old.content - old.start == BLOCK and 0 < size <= min(_EXTENDED, tile.end - tile.start) else 0


def rewritten(target: memoryview, tile: Tile, olds: Olds, following: int, space: Space, tries: int) -> list[Cover]:
    """Return the covers of a tile that is an older file, written again; nothing if none is found.

    That is one of the same path, or of any path at the position `following`, where the file before goes on.
    """
    member = tile.member
    if member is None or (tile.start, tile.end) != (member.start, member.end):
        return []
    for old in (olds.of_path(member.path, following), olds.at(following)):
        covers = [] if old is None else _same(target, tile, member, old, space, tries)
        if covers:
            return covers
    return []


def _same(target: memoryview, tile: Tile, member: TarMember, old: Old, space: Space, tries: int) -> list[Cover]:
    """Return the covers of a tile that is the file `old`, written again; nothing if it is not."""
    # Members of other archives than tars have shorter headers, or none.
    header, position = max(member.content - BLOCK, member.start), max(old.content - BLOCK, old.start)
    size = member.content - header
    new, source = target[header : tile.end], space.slice(position, old.end - position)
    if source is None or len(new) != len(source) or size != old.content - position:
        return []
    most = _SAME_NAME if new[:_NAME] == source[:_NAME] else _LIKE
    if not _is_alike(new[:size], source[:size], most) or max(header - tile.start, position - old.start) > _EXTENDED:
        return []
    parts = (slice(at, at + _COMPARED) for at in range(size, len(new), _COMPARED))
    if any(bytes(new[part]) != bytes(source[part]) for part in parts):
        return []
    covers = [(header, position, len(new))]
    before, after = space.slice(old.start, position - old.start), target[tile.start : header]
    if before and after:
        if len(before) == len(after) and _is_alike(after, before, _LIKE):
            return [(tile.start, old.start, len(before)), *covers]
        index = Windows(space, [(old.start, old.content)], tries, tile.far(target))
        return [*index.align(target, tile.start, header, old.start), *covers]
    return covers


def _is_alike(header: memoryview, other: memoryview, most: int) -> bool:
    count: int = unequal(header, other, most)
    return count <= most
