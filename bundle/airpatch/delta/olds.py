"""The files of the sources, and which of them is the older version of a file: told by content; hints break ties.

Of a million files the arrays take 48 MB.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import xxhash

from airpatch.delta.tar_members import TarMember

_NUMBER_BITS = 24
_MOST = 1 << _NUMBER_BITS
_NUMBERS = _MOST - 1
_SAME_PATH, _LIKE_PATH = 2, 4
"""An equal path weighs one part in so many of all bytes that were found, one that is equal but for digits less."""
_FAIR = 32
"""A file of another path must have one part in so many of it."""
_LARGER, _LARGE = 16, 1 << 20
"""A file so many times larger, and larger than this, is no version of it: it holds one, as archives do."""
_DIGITS = re.compile(rb"[0-9][0-9.]*")

Cover = tuple[int, int, int]
"""Target offset, source position, length."""


@dataclass(frozen=True, slots=True)
class Old:
    """A file of a source: positions of its header, its content, its end, and the content's size."""

    start: int
    content: int
    size: int
    end: int


class Olds:
    """All files of the sources in the order of their positions; at most `most`, the first ones."""

    def __init__(self, files: Iterable[tuple[int, TarMember]], most: int) -> None:
        """`files` are members of sources, each with the position where its source begins."""
        self._starts, self._contents, self._sizes, self._ends = (array("q") for _ in range(4))
        exact, alike = array("Q"), array("Q")
        for base, member in files:
            number = len(self._starts)
            if number >= min(most, _MOST):
                break
            self._starts.append(base + member.start)
            self._contents.append(base + member.content)
            self._sizes.append(member.size)
            self._ends.append(base + member.end)
            exact.append(_key(_plain(member.path)) | number)
            alike.append(_key(_without_digits(member.path)) | number)
        self._exact = array("Q", sorted(exact))
        self._alike = array("Q", sorted(alike))

    def find(self, path: bytes, size: int, matches: Iterable[Cover]) -> Old | None:
        """Return the older version of the file `path`, `size` bytes with its header, of which `matches` have been
        found.

        That is the file which most of them lie in, and a fair part of the file; where there are none, the first one of
        the same path, else of the same path but for its digits (libx.so.1.2 and libx.so.1.3). One without content is no
        older version of anything larger.
        """
        found: defaultdict[int, int] = defaultdict(int)
        for match in matches:
            position = middle(match)
            number = bisect_right(self._starts, position) - 1
            if number >= 0 and position < self._ends[number] and self._sizes[number]:
                found[number] += match[2]
        for number in found:
            if self._sizes[number] > max(_LARGER * size, _LARGE):
                found[number] = 0
        total = sum(found.values())
        for number in found:
            if found[number] < size // _FAIR:
                found[number] = 0
        for hints, key, share in (
            (self._exact, _key(_plain(path)), _SAME_PATH),
            (self._alike, _key(_without_digits(path)), _LIKE_PATH),
        ):
            # Thousands of files may be alike: all that `found` has are looked up, or one more than it has are met.
            for number in found if total else _with_key(hints, key):
                if number not in found:
                    if self._sizes[number] or size <= self._ends[number] - self._starts[number]:
                        return self._old(number)
                    break
                if not total or _has(hints, key | number):
                    found[number] += max(total // share, 1)
        best = max(found, key=lambda number: (found[number], -number), default=None)
        return self._old(best) if best is not None and found[best] else None

    def of_path(self, path: bytes, near: int) -> Old | None:
        """Return the file of the same path that begins at the position `near`, else the first one."""
        key = _key(_plain(path))
        number = self._number(near)
        if number is None or not _has(self._exact, key | number):
            number = next(_with_key(self._exact, key), None)
        return None if number is None else self._old(number)

    def at(self, position: int) -> Old | None:
        """Return the file that begins at a position."""
        number = self._number(position)
        return None if number is None else self._old(number)

    def _number(self, position: int) -> int | None:
        number = bisect_left(self._starts, position)
        return number if number < len(self._starts) and self._starts[number] == position else None

    def _old(self, number: int) -> Old:
        return Old(self._starts[number], self._contents[number], self._sizes[number], self._ends[number])


def middle(cover: Cover) -> int:
    """Return the source position of the middle of a cover, which tells its file: equal padding of the files before and
    behind belongs to it, too."""
    return cover[1] + cover[2] // 2


def _with_key(hints: array[int], key: int) -> Iterator[int]:
    """Yield the numbers of the files with that key, which ascend."""
    for place in range(bisect_left(hints, key), bisect_right(hints, key | _NUMBERS)):
        yield hints[place] & _NUMBERS


def _has(hints: array[int], hint: int) -> bool:
    place = bisect_left(hints, hint)
    return place < len(hints) and hints[place] == hint


def _key(path: bytes) -> int:
    """Return a hash with room for a number."""
    return xxhash.xxh3_64_intdigest(path) & ~_NUMBERS


def _plain(path: bytes) -> bytes:
    return path.removeprefix(b"./")


def _without_digits(path: bytes) -> bytes:
    return _DIGITS.sub(b"0", _plain(path))
