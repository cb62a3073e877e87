"""Rebuild a target from its sources and a delta: the other half of `bundle.delta.encode`.

`apply` trusts nothing: every number is checked before it is used, and memory stays below 400 MiB whatever the delta says.
Time is linear in what is read and written. The result is not authenticated here: the caller compares its digest.
Format: spec/DELTA.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bundle.delta import columns, varints
from bundle.delta.addresses import Addresses, AddressMap
from bundle.delta.columns import Decompressor, Reader
from bundle.delta.mend import Mender
from bundle.delta.plaintext import Buffer, Space
from bundle.delta.predict import BASED, MAX_COVER, PLAIN
from bundle.errors import FormatError

MAGIC = b"APD\x01"  # the last byte is the version
MAX_SOURCES = 1 << 16
CHUNK = 1 << 20  # bytes, about, that `apply` yields at once


def apply(delta: Reader, sources: Sequence[Buffer], max_size: int) -> Iterator[bytes]:
    """Yield the target of `delta` in pieces.

    `sources` are those that it was made from, in the same order. Raises FormatError if the delta is malformed, if its sources have other
    sizes, or if the target exceeds `max_size` bytes.
    """
    reader = Decompressor(delta)
    if reader.exactly(len(MAGIC)) != MAGIC:
        raise FormatError("delta: wrong magic or unknown version")
    size = reader.number()
    if size > max_size:
        raise FormatError(f"delta: a target of {size} bytes, at most {max_size} are allowed")
    count = reader.number()
    if count != len(sources) or count > MAX_SOURCES:
        raise FormatError(f"delta: made from {count} sources, {len(sources)} are given")
    for source in sources:
        if reader.number() != len(source):
            raise FormatError("delta: a source does not have the size it had")
    space = Space.of(sources)
    done = 0
    while done < size:
        segment = _Segment(reader.segment(), space, done, size)
        yield from segment.run()
        if segment.offset == done:
            raise FormatError("delta: a segment without content")
        done = segment.offset
    if not reader.at_end():
        raise FormatError("delta: bytes follow the end")


class _Segment:
    """One segment while it is carried out; `offset` is where in the target."""

    def __init__(self, data: list[bytes], space: Space, offset: int, size: int) -> None:
        self._control = iter(varints.unpack(data[columns.CONTROL]))
        self._lengths = varints.unpack(data[columns.LENGTHS])
        self._sources = varints.unpack(data[columns.SOURCES])
        self._modes = data[columns.MODES]
        self._literals = memoryview(data[columns.LITERALS])
        self._mender = Mender(varints.unpack(data[columns.GAPS]), data[columns.VALUES])
        self._space = space
        self._size = size
        self.offset = offset

    def run(self) -> Iterator[bytes]:
        """Yield the target's bytes."""
        lengths = sources = modes = 0  # what is used of each column
        expected = 0
        for instructions in self._control:
            addresses = Addresses.read(self._control)
            pairs = self._lengths[lengths : lengths + 2 * instructions]
            if not instructions or len(pairs) != 2 * instructions:
                raise FormatError("delta: a group without or with fewer instructions than it declares")
            lengths += 2 * instructions
            steps: list[tuple[int, int, int]] = []  # literal bytes, source position, cover bytes
            covers: list[tuple[int, int, int]] = []
            offset = self.offset
            for i in range(0, len(pairs), 2):
                literal, length = pairs[i], pairs[i + 1]
                if literal + length > self._size - offset or not literal + length:
                    raise FormatError("delta: an empty instruction, or more than the target's size")
                offset += literal
                position = 0
                if length:
                    if sources == len(self._sources):
                        raise FormatError("delta: fewer source positions than covers")
                    position = expected + varints.unzigzag(self._sources[sources])
                    sources += 1
                    if self._space.slice(position, length) is None:
                        raise FormatError("delta: a cover outside its source")
                    expected = position + length
                    covers.append((offset, position, length))
                steps.append((literal, position, length))
                offset += length
            chosen = b""
            if addresses is not None:
                chosen = self._modes[modes : modes + len(covers)]
                modes += len(covers)
                if len(chosen) != len(covers):
                    raise FormatError("delta: fewer modes than covers")
            yield from self._group(steps, covers, addresses, chosen)
        if (lengths, sources, modes) != (len(self._lengths), len(self._sources), len(self._modes)):
            raise FormatError("delta: a column is longer than its use")
        if len(self._literals) or not self._mender.done:
            raise FormatError("delta: a column is longer than its use")

    def _group(
        self,
        steps: list[tuple[int, int, int]],
        covers: list[tuple[int, int, int]],
        addresses: Addresses | None,
        modes: bytes,
    ) -> Iterator[bytes]:
        where = AddressMap(addresses, covers) if addresses is not None else None
        out = bytearray()
        number = 0
        for literal, position, length in steps:
            if literal:
                if literal > len(self._literals):
                    raise FormatError("delta: fewer literals than declared")
                out += self._literals[:literal]
                self._literals = self._literals[literal:]
                self.offset += literal
            if not length:
                continue
            source = self._space.slice(position, length)
            if source is None:
                raise FormatError("delta: a cover outside its source")
            if where is not None and modes[number] != PLAIN:
                out += self._predicted(where, modes[number], position, source)
                self.offset += length
            else:
                for start in range(0, length, CHUNK):
                    piece = source[start : start + CHUNK]
                    if self._mender.quiet(len(piece)):
                        out += piece
                    else:
                        copy = bytearray(piece)
                        self._mender.mend(copy)
                        out += copy
                    self.offset += len(piece)
                    if len(out) >= CHUNK:
                        yield bytes(out)
                        out.clear()
            number += 1
            if len(out) >= CHUNK:
                yield bytes(out)
                out.clear()
        yield bytes(out)

    def _predicted(self, where: AddressMap, mode: int, position: int, source: memoryview) -> bytearray:
        pair = where.locate(self.offset, position)
        if pair is None or len(source) > MAX_COVER or mode >= BASED + len(where.bases):
            raise FormatError("delta: a prediction without addresses, too long, or of an unknown mode")
        base = where.bases[mode - BASED] if mode >= BASED else (0, 0)
        copy = bytearray(source)
        where.predictor.predict(copy, mode, *pair, *base)
        self._mender.mend(copy)
        return copy
