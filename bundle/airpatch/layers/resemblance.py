"""Which plaintexts resemble which: found by the files that their tars hold, wherever in which image they lie.

A file counts fully where the same bytes are in another tar, whatever its name there, and partly where a file of the
same path, or failing that of the same name, is: its difference will be small. From these a few sources are chosen
for each target, each of which explains much that those before it do not. Near-linear in the number of files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import xxhash

from airpatch.delta.tar import members

Key = TypeVar("Key")

MAX_SOURCES = 8
"""For one target: more explain little, and every one has to be unpacked on the target."""
_SHARE = 256
"""A further source must explain one part in so many of the target, or `_LEAST` bytes."""
_LEAST = 16 << 10
_SAME_PATH, _SAME_NAME = 0.8, 0.6
"""How much of a file its older version explains: seen between patch releases are 0.7 to 0.99."""
_STRETCH = 64 << 20
_VERSION = re.compile(rb"[0-9]+(?:\.[0-9]+)+")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a plaintext holds: of each file the hash of its bytes, its size, the hashes of its path and bare name."""

    size: int
    files: tuple[tuple[int, int, int, int], ...]

    @classmethod
    def of(cls, plaintext: memoryview, relax: Callable[[], None] = lambda: None) -> Contents:
        """The contents of a tar; of anything else, itself as one file.

        `relax` is called each time that some 64 MiB have been looked at: whoever maps files may drop their pages then.
        """
        reader = _Reader(plaintext, relax)
        files = [
            (
                reader.hash(m.content, m.size),
                m.size,
                xxhash.xxh3_64_intdigest(m.path),
                xxhash.xxh3_64_intdigest(_VERSION.sub(b"", m.path.rsplit(b"/", 1)[-1])),
            )
            for m in members(plaintext)
            if m.size
        ]
        if not files and plaintext:
            files = [(reader.hash(0, len(plaintext)), len(plaintext), 0, 0)]
        relax()
        return cls(len(plaintext), tuple(files))


class _Reader:
    """Hashes parts of a plaintext that may be mapped."""

    def __init__(self, plaintext: memoryview, relax: Callable[[], None]) -> None:
        self._plaintext = plaintext
        self._relax = relax
        self._seen = 0

    def hash(self, start: int, size: int) -> int:
        hasher = xxhash.xxh3_64()
        for offset in range(start, start + size, _STRETCH):
            piece = self._plaintext[offset : min(offset + _STRETCH, start + size)]
            hasher.update(piece)
            self._seen += len(piece)
            if self._seen >= _STRETCH:
                self._seen = 0
                self._relax()
        return hasher.intdigest()


class Catalogue(Generic[Key]):
    """The contents of all possible sources, by the keys that the caller gives them."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._sizes: list[int] = []
        self._places: tuple[defaultdict[int, list[int]], ...] = tuple(defaultdict(list) for _ in range(3))

    def add(self, key: Key, contents: Contents) -> None:
        number = len(self._keys)
        self._keys.append(key)
        self._sizes.append(contents.size)
        for bytes_, _, path, name in contents.files:
            for place, value in zip(self._places, (bytes_, path, name), strict=True):
                if value and (not place[value] or place[value][-1] != number):
                    place[value].append(number)

    def choose(self, target: Contents) -> list[Key]:
        """The keys of those sources that together explain most of `target`, the best first."""
        worth: list[dict[int, float]] = []
        sizes: list[int] = []
        for bytes_, size, path, name in target.files:
            found: dict[int, float] = {}
            for place, value, share in zip(
                self._places, (bytes_, path, name), (1.0, _SAME_PATH, _SAME_NAME), strict=True
            ):
                for number in place.get(value, ()) if value else ():
                    found.setdefault(number, share)
                if found:
                    break
            if found:
                worth.append(found)
                sizes.append(size)
        return [self._keys[number] for number in _cover(worth, sizes, target.size, self._sizes)]


def _cover(worth: Sequence[Mapping[int, float]], sizes: Sequence[int], total: int, lengths: Sequence[int]) -> list[int]:
    """Greedy: again and again the source that explains most of the rest; of equals the smaller, then the earlier."""
    explained = [0.0] * len(worth)
    chosen: list[int] = []
    while len(chosen) < MAX_SOURCES:
        gains: defaultdict[int, float] = defaultdict(float)
        for i, found in enumerate(worth):
            for number, share in found.items():
                if share > explained[i]:
                    gains[number] += (share - explained[i]) * sizes[i]
        if not gains:
            break
        best = max(gains, key=lambda number: (gains[number], -lengths[number], -number))
        if gains[best] < max(total // _SHARE, _LEAST) and chosen:
            break
        chosen.append(best)
        for i, found in enumerate(worth):
            explained[i] = max(explained[i], found.get(best, 0.0))
    return chosen
