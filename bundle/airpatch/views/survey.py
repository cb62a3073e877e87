"""Finds the streams that two sides hold, and those that only one of them has (spec/VIEWS.md, Writers).

For writers only: the code that uses the results proves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import xxhash

from airpatch.deflate.decompressor import DecompressionError
from airpatch.delta import elf
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.class_files import MAGIC, MAX_CLASS
from airpatch.views.conversions import CONVERSIONS
from airpatch.views.expand import Chunks, PackedBytes
from airpatch.views.finders import containers, gzip_hints
from airpatch.views.finders.hint import Hint
from airpatch.views.finders.zlib_hints import zlib_hint
from airpatch.views.framings import Checksums, Surroundings, stream_decompressor
from airpatch.views.inflating import inflate, stream_end

MAX_NESTED = 64 << 20
"""Total bytes of contents that are searched for further streams."""
_START = 512
"""Bytes by which a container is recognised."""
_PACKED_START = 4 << 10
"""Packed bytes that are decompressed for them; of zstd, which gives whole blocks, those of a block."""
_PACKED_BLOCK = 132 << 10
_CHUNK_SIZE = 4
"""Size in bytes of the number before the content of chunks."""
_ROUNDS = 3
"""Streams in streams: each may lie in up to three archives, which are stored in one another (`MAX_DEPTH`)."""


@dataclass(slots=True)
class FoundLevel:
    """A level of a view: `start` to `end` of `data`, which are the bytes of a file or of the enclosing level."""

    data: memoryview
    start: int
    end: int
    framing: str
    body: int
    """Where the packed stream begins."""
    name: bytes
    digest: int = 0
    """Hash of the packed stream, 0 for a level that is not a stream."""
    inside: list[FoundLevel] = field(default_factory=list)
    encoder: str = ""
    size: int = 0
    """Bytes of the level without what is expanded inside; for a stream, known once it was inflated."""
    is_whole: bool = False
    """Whether it is all that the level around holds, whose name it has."""
    is_section: bool = False
    """Whether it is the content of a section of a program."""

    @property
    def is_stream(self) -> bool:
        """Whether it may change as a whole, and says itself where it ends."""
        return self.framing not in (framings.ARCHIVE, framings.DIRECTORY, framings.CHUNKS)

    @property
    def header(self) -> int:
        """Bytes of the view before the content of the stream."""
        is_zip = self.framing in (framings.ENTRY, framings.STREAMED)
        return self.body - self.start - len(framings.NO_FIELDS) if is_zip else 0


def streams(levels: Iterable[FoundLevel]) -> Iterator[FoundLevel]:
    """Yield all streams of `levels`, those inside streams left out."""
    for level in levels:
        if level.is_stream:
            yield level
        else:
            yield from streams(level.inside)


def survey(data: memoryview, name: bytes) -> list[FoundLevel]:
    """Return the levels in `data`, in order and without overlap; their ends are known, but not their content."""
    found: list[FoundLevel] = []
    for hint in containers.find(data, name):
        for level in _levels(data, hint):
            if not found or found[-1].end <= level.start:
                found.append(level)
    if found and elf.parse(data) is not None:
        for level in found:
            level.is_section = True
    return found


def _levels(data: memoryview, hint: Hint) -> Iterator[FoundLevel]:
    if hint.framing == framings.ARCHIVE and hint.size is not None:
        archive = data[hint.start : hint.start + hint.size]
        inside = [level for inner in hint.inside for level in _levels(archive, inner)]
        end = hint.start + hint.size
        yield FoundLevel(data, hint.start, end, hint.framing, hint.body, hint.name, inside=inside, size=hint.size)
    elif hint.framing == framings.CHUNKS:
        yield from _joined(data, hint)
    elif hint.size is not None:
        end = hint.start + hint.size
        digest = 0 if hint.framing == framings.DIRECTORY else _digest(data[hint.body : end])
        yield FoundLevel(data, hint.start, end, hint.framing, hint.body, hint.name, digest, size=hint.size)
    else:
        yield from _unsized(data, hint)


def _joined(data: memoryview, hint: Hint) -> Iterator[FoundLevel]:
    """Yield the chunks of an image, and the stream in them."""
    base = PackedBytes([data[hint.start :]])
    try:
        held = b"".join(Chunks(base).rest())
    except FormatError:
        return
    joined = memoryview(held)
    inside = [level for inner in zlib_hint(joined, _CHUNK_SIZE, hint.name) for level in _levels(joined, inner)]
    end = hint.start + base.position
    yield FoundLevel(data, hint.start, end, hint.framing, hint.body, hint.name, inside=inside, size=len(held))


def _unsized(data: memoryview, hint: Hint) -> Iterator[FoundLevel]:
    """Yield a stream whose end is found by inflating it, and the members of a gzip file that follow."""
    while True:
        end = stream_end(data, hint.body, hint.framing)
        if end is None:
            return
        end += framings.trailer_size(hint.framing)
        if end > len(data):
            return
        yield FoundLevel(data, hint.start, end, hint.framing, hint.body, hint.name, _digest(data[hint.body : end]))
        following = gzip_hints.find(data[end:], hint.name) if hint.framing == framings.GZIP else ()
        if not following:
            return
        body = end + following[0].body
        hint = Hint(body, hint.framing, body, None, following[0].name)


def check(level: FoundLevel) -> bool:
    """Return whether a stream inflates to its end; its framing, extent and size are corrected by its content. A class
    file in it becomes a level inside.
    """
    if level.framing in CONVERSIONS:
        return level.is_whole or _has_form(level, level.data[level.start : level.end])
    sums = Checksums(level.framing)
    held: bytearray | None = bytearray()  # as long as it may be a class file
    end = level.body
    try:
        for piece, at in inflate(level.data, level.body, level.framing):
            sums.add(piece)
            end = at
            if held is not None:
                held += piece
                held = held if held.startswith(MAGIC[: len(held)]) and len(held) <= MAX_CLASS else None
    except FormatError:
        return False
    right = Surroundings.of(level.framing, sums, end - level.body)
    stop = end + len(right.trailer)
    if end > level.end:
        return False
    head = bytes(level.data[level.start : level.body])
    is_right = bytes(level.data[end : min(stop, level.end)]) == right.trailer
    if is_right and (not head or head[framings.LOCAL_FIELDS] == right.fields):
        level.end = stop
    else:
        level.framing, level.start, level.end = framings.RAW, level.body, end
    level.size = level.header + sums.size
    if held and held.startswith(MAGIC) and not level.inside:
        inside = FoundLevel(level.data, 0, sums.size, framings.CLASS, 0, level.name, is_whole=True)
        level.inside = [inside] if _has_form(inside, held) else []
    return True


def _has_form(level: FoundLevel, held: bytes | bytearray | memoryview) -> bool:
    """Return whether there is a view of what a level packs; its size is known then."""
    try:
        level.size = len(CONVERSIONS[level.framing].view(bytes(held)))
    except FormatError:
        return False
    return True


def _held(level: FoundLevel, limit: int) -> bytes | None:
    """Return the content of a stream; None if that is more than `limit` bytes, or if it is not one."""
    parts = []
    try:
        for piece, _ in inflate(level.data, level.body, level.framing):
            limit -= len(piece)
            if limit < 0:
                return None
            parts.append(piece)
    except FormatError:
        return None
    return b"".join(parts)


def _digest(packed: memoryview) -> int:
    return xxhash.xxh3_64_intdigest(packed) or 1


class Sides:
    """The files of two sides, and what each holds that the other lacks."""

    def __init__(self, target: Sequence[tuple[memoryview, bytes]], sources: Sequence[tuple[memoryview, bytes]]) -> None:
        """Files with their names. Streams of the target, and of the sources, are in `levels`, one list for each."""
        self.levels: tuple[list[list[FoundLevel]], list[list[FoundLevel]]] = (
            [[] for _ in target],
            [[] for _ in sources],
        )
        self.digests: tuple[set[int], set[int]] = (set(), set())
        self._room = MAX_NESTED
        todo = [
            [(data, name, levels) for (data, name), levels in zip(files, side, strict=True)]
            for files, side in zip((target, sources), self.levels, strict=True)
        ]
        for _ in range(_ROUNDS):
            fresh: list[list[FoundLevel]] = [[], []]
            for side in (0, 1):
                for data, name, levels in todo[side]:
                    levels += survey(data, name)
                    fresh[side] += streams(levels)
                self.digests[side].update(level.digest for level in fresh[side])
            todo = [list(self._nested(fresh[side], self.digests[1 - side])) for side in (0, 1)]

    def _nested(
        self, fresh: Sequence[FoundLevel], others: AbstractSet[int]
    ) -> Iterator[tuple[memoryview, bytes, list[FoundLevel]]]:
        """Yield the contents of streams that the other side does not have, and that may hold streams."""
        for level in fresh:
            if level.framing in CONVERSIONS:
                continue
            if level.digest in others or not containers.may_hold_streams(_beginning(level), level.name):
                continue
            held = _held(level, self._room)
            if held is not None:
                self._room -= len(held)
                yield memoryview(held), level.name, level.inside


def _beginning(level: FoundLevel) -> bytes:
    try:
        size = _PACKED_BLOCK if level.framing == framings.ZSTD else _PACKED_START
        packed = bytes(level.data[level.body : level.body + size])
        return stream_decompressor(level.framing).decompress(packed, _START)
    except (DecompressionError, FormatError):
        return b""
