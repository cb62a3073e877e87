"""What the targets (fuzz/targets.py) begin with: the vectors and other files of fixtures/, taken apart."""

from __future__ import annotations

import contextlib
import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LONGEST = 1 << 16
"""Bytes of an input."""
MOST = 1 << 26
"""Bytes of a vector's content that are looked at: some are bombs."""
NEXT = b"\xff\xfe"
"""The end of a part of an input."""
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 63,
    (1 << 64) - 1,
    0.5,
    "",
    "\u2603",
    "\u202e",
    b"",
    bytes(32),
    [],
    [[]],
    {},
    {"": 0},
)
"""What stands where it does not belong."""


class Choice(Generic[_T]):
    """What inputs choose from by the first bytes of its digest, so that they still do so when there is more."""

    KEY = 2
    """Bytes."""

    def __init__(self, things: Iterable[_T]) -> None:
        self._things = {self.key(thing): thing for thing in things}
        self._keys = sorted(self._things)

    @classmethod
    def key(cls, thing: _T) -> bytes:
        return hashlib.sha256(repr(thing).encode()).digest()[: cls.KEY]

    def by(self, key: bytes) -> _T:
        """Return the thing with that key, or with the next one."""
        return self._things[self._keys[bisect_left(self._keys, key) % len(self._keys)]]


def vectors(pattern: str = "*") -> Iterator[bytes]:
    for path in sorted((FIXTURES / "vectors").glob(f"{pattern}.vector")):
        if path.stat().st_size < 1 << 18:
            yield path.read_bytes().partition(b"\n\n")[2]


def members(name: str, pattern: str = "*") -> Iterator[bytes]:
    """The contents of members of vectors whose path begins with `name`, as far as their headers make sense."""
    import zstandard

    for vector in vectors(pattern):
        with contextlib.suppress(zstandard.ZstdError, ValueError):
            reader = zstandard.ZstdDecompressor().stream_reader(vector, read_across_frames=True)
            content = reader.read(MOST)
            for at in range(0, len(content) - 512, 512):
                if content[at : at + len(name)] == name.encode() and content[at + 257 : at + 262] == b"ustar":
                    size = int(content[at + 124 : at + 135] or b"0", 8)
                    yield content[at + 512 : at + 512 + size]


def indexes() -> Iterator[bytes]:
    """The indexes of vectors, and good ones of which a value is another, or is there twice or not at all."""
    import msgpack

    yield from members(".airpatch/index")
    for pattern in ("good-patch", "good-expires", "layer-plain"):
        for index in members(".airpatch/index", pattern):
            yield from map(msgpack.packb, varied(msgpack.unpackb(index, strict_map_key=False)))


def varied(value: Any) -> Iterator[Any]:
    """Yield what becomes of a document by one change; of the rows of a list, the first two are changed."""
    yield from _VALUES
    if isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str | bytes) and value:
        yield from (value[1:], value[:-1], value * 2, value * 300)
    elif isinstance(value, dict):
        for key in value:
            yield from (value | {key: each} for each in varied(value[key]))
            yield {other: value[other] for other in value if other != key}
        yield value | {"other": 1}
    elif isinstance(value, list) and value:
        for at in range(min(len(value), 2) if isinstance(value[0], list) else len(value)):
            yield from ([*value[:at], each, *value[at + 1 :]] for each in varied(value[at]))
        yield from (value[1:], value[:1] + value, value[::-1])
