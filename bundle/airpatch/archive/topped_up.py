"""A damaged bundle and the top-up that has what it lacks, read together as the bundle that was sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from airpatch.archive.damage import digest_outside, pieces
from airpatch.archive.misfits import describe_other
from airpatch.blobs.byte_source import ByteSource, FileBytes
from airpatch.errors import FormatError, IntegrityError, UsageError, located
from airpatch.format import magics, sealed, top_ups
from airpatch.format.top_ups import TopUp, gaps


class ToppedUp:
    """The file that `damaged` is a copy of, as a ByteSource: what lacks is in `given` from `begin` on. It owns both."""

    def __init__(self, damaged: ByteSource, top_up: TopUp, given: ByteSource, begin: int) -> None:
        self.name = damaged.name
        self.size = top_up.size
        self._damaged = damaged
        self._given = given
        self._top_up, self._begin = top_up, begin
        # Start and stop in the whole, where the bytes are, and where they begin there.
        self._stretches = [(start, stop, damaged, start) for start, stop in gaps(top_up.ranges, top_up.size)]
        for start, stop in top_up.ranges:
            self._stretches.append((start, stop, given, begin))
            begin += stop - start
        self._stretches.sort(key=lambda stretch: stretch[0])

    def read_into(self, view: memoryview, position: int) -> None:
        end = position + len(view)
        if end > self.size:
            raise FormatError(f"{self.name}: ends before the end of the archive")
        for start, stop, source, place in self._stretches:
            first, last = max(start, position), min(stop, end)
            if first < last:
                source.read_into(view[first - position : last - position], place + first - start)

    def again(self) -> ToppedUp:
        return ToppedUp(self._damaged.again(), self._top_up, self._given.again(), self._begin)

    def close(self) -> None:
        self._damaged.close()
        self._given.close()


def complete(top_up: Path, candidates: Sequence[Path]) -> tuple[Path, ToppedUp]:
    """Return the one of `candidates` that the top-up completes, and the bundle that both make; the caller closes it.

    Raises FormatError or IntegrityError if the top-up is damaged, UsageError if it belongs to none of them.
    """
    given = _open(top_up)
    try:
        value, begin = _read_top_up(given)
        for path in candidates:
            damaged = _open(path)
            if _is_completed(damaged, value):
                return path, ToppedUp(damaged, value, given, begin)
            damaged.close()
    except BaseException:
        given.close()
        raise
    given.close()
    what = f"{top_up}: is for a damaged copy of {value.request.name}"
    if not candidates:
        raise UsageError(f"{what}: name that copy, too")
    raise UsageError(
        f"{what}, and {', '.join(map(str, candidates))} is not that copy: name both, or make a new request with "
        "'airpatch verify FILE --request R'"
    )


def read_request(path: Path) -> top_ups.DamageRequest:
    """Return the request for damaged bytes in a file. Raises UsageError if it cannot be read, FormatError."""
    try:
        if path.stat().st_size > top_ups.MAX_VALUE + sealed.PREFIX + 32:
            raise FormatError(f"{path}: not a request for damaged bytes, which is smaller")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    with located(str(path)):
        if not content.startswith(magics.DAMAGE_REQUEST):
            raise FormatError(describe_other(content[: magics.HEAD], "a request for damaged bytes"))
        return top_ups.parse_request(content)


def _read_top_up(given: ByteSource) -> tuple[TopUp, int]:
    """Return the head of a top-up, and where its bytes begin, which are verified."""
    with located(given.name):
        prefix = _read(given, min(sealed.PREFIX, given.size))
        size = sealed.sealed_size(prefix, magics.TOP_UP, top_ups.MAX_VALUE, "a top-up")
        if size > given.size:
            raise FormatError("a top-up that is cut short; copy it again")
        value = top_ups.parse_top_up(_read(given, size))
        if given.size - size != sum(stop - start for start, stop in value.ranges):
            raise FormatError("a top-up that is cut short, or is followed by other bytes; copy it again")
        sha256 = hashlib.sha256()
        for piece in pieces(given, size, given.size):
            sha256.update(piece)
        if sha256.digest() != value.given.raw:
            raise IntegrityError(f"{given.name}: a top-up that is damaged; copy it again")
        return value, size


def _is_completed(damaged: ByteSource, top_up: TopUp) -> bool:
    """Return whether `damaged` has all that the top-up lacks."""
    needed = max((stop for _, stop in gaps(top_up.ranges, top_up.size)), default=0)
    return needed <= damaged.size and digest_outside(damaged, top_up.ranges, top_up.size) == top_up.request.rest


def _open(path: Path) -> FileBytes:
    try:
        return FileBytes(str(path), os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise UsageError(f"{path}: cannot be opened: {error.strerror}") from None


def _read(source: ByteSource, size: int) -> bytes:
    content = bytearray(size)
    source.read_into(memoryview(content), 0)
    return bytes(content)
