"""What a site wants of a bundle that came damaged or broke off, and what the sender answers (spec/PARTS.md, Top-ups).

A damage request lists ranges of bytes; a top-up has these bytes. Both know the sha256 of all bytes outside of the
ranges, so that sender and site are sure to speak of the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.model.digest import SIZE, Digest
from airpatch.model.printable import is_printable

VERSION = 1
MAX_RANGES = 1 << 20
MAX_VALUE = 32 << 20
"""Bytes of either value."""
MAX_SIZE = 1 << 50
"""Bytes of a file."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes of a file from `start` to before `stop`; without a `stop` to its end, wherever that is."""

    start: int
    stop: int | None


@dataclass(frozen=True, slots=True)
class DamageRequest:
    """The `ranges` of the bundle `name` that are wanted, in order and apart; `rest` is the sha256 of all others."""

    name: str
    ranges: tuple[ByteRange, ...]
    rest: Digest


@dataclass(frozen=True, slots=True)
class TopUp:
    """What is asked for by `request`: the file has `size` bytes and the sha256 `whole`, the ranges' bytes `given`."""

    request: DamageRequest
    size: int
    whole: Digest
    given: Digest

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Start and stop of each range, now that the size is known."""
        return tuple(ends(self.request.ranges, self.size))


def ends(ranges: tuple[ByteRange, ...], size: int) -> Iterator[tuple[int, int]]:
    """Return start and stop of each range in a file of `size` bytes."""
    return ((r.start, size if r.stop is None else r.stop) for r in ranges)


def gaps(ranges: tuple[tuple[int, int], ...], size: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of what lies outside of `ranges` in a file of `size` bytes."""
    position = 0
    for start, stop in (*ranges, (size, size)):
        if position < start:
            yield position, start
        position = stop


def emit_request(request: DamageRequest) -> bytes:
    """Return the file that holds `request`."""
    return sealed.seal(magics.DAMAGE_REQUEST, _request_to_plain(request))


def parse_request(content: bytes) -> DamageRequest:
    """Return the request in a file. Raises FormatError unless it is whole and canonical."""
    what = "a request for damaged bytes"
    size = sealed.sealed_size(content[: sealed.PREFIX], magics.DAMAGE_REQUEST, MAX_VALUE, what)
    if size != len(content):
        raise FormatError(f"{what} that is cut short, or is followed by other bytes")
    request = _request_from_plain(sealed.unseal(content, what))
    if emit_request(request) != content:
        raise FormatError(f"{what} that is not in its canonical form")
    return request


def emit_top_up(top_up: TopUp) -> bytes:
    """Return the head of a top-up, which the bytes of its ranges follow."""
    value = {
        "request": _request_to_plain(top_up.request),
        "size": top_up.size,
        "whole": top_up.whole.raw,
        "given": top_up.given.raw,
    }
    return sealed.seal(magics.TOP_UP, value)


def parse_top_up(head: bytes) -> TopUp:
    """Return the top-up of which `head` is the head. Raises FormatError unless `head` is whole and canonical."""
    match sealed.unseal(head, "a top-up"):
        case {"request": request, "size": int(size), "whole": bytes(whole), "given": bytes(given)}:
            top_up = TopUp(_request_from_plain(request), size, _digest(whole), _digest(given))
        case _:
            raise FormatError("a top-up that lacks a member, or has one of another kind")
    if not 0 < size <= MAX_SIZE or any(not start < stop <= size for start, stop in top_up.ranges):
        raise FormatError("a top-up with ranges beyond the end of its file")
    if emit_top_up(top_up) != head:
        raise FormatError("a top-up that is not in its canonical form")
    return top_up


def _request_to_plain(request: DamageRequest) -> dict[str, object]:
    return {
        "airpatch": VERSION,
        "name": request.name,
        "ranges": [[r.start, r.stop] for r in request.ranges],
        "rest": request.rest.raw,
    }


def _request_from_plain(plain: object) -> DamageRequest:
    match plain:
        case {"airpatch": version} if version != VERSION or isinstance(version, bool):
            raise FormatError(f"a request or top-up of version {version!r:.20}; this airpatch reads version {VERSION}")
        case {"name": str(name), "ranges": list(rows), "rest": bytes(rest)} if is_printable(name):
            ranges = tuple(_range(row) for row in rows)
            if not ranges or len(ranges) > MAX_RANGES or any(not _apart(a, b) for a, b in pairwise(ranges)):
                raise FormatError("a request or top-up whose ranges are none, too many, or out of order")
            return DamageRequest(name, ranges, _digest(rest))
    raise FormatError("a request or top-up that lacks a member, or has one of another kind")


def _range(row: object) -> ByteRange:
    match row:
        case [int(start), int() | None as stop] if (
            not isinstance(start, bool)
            and not isinstance(stop, bool)
            and start >= 0
            and (stop is None or start < stop <= MAX_SIZE)
        ):
            return ByteRange(start, stop)
    raise FormatError("a request or top-up with an unusable range")


def _apart(first: ByteRange, second: ByteRange) -> bool:
    """Return whether `second` comes after `first` with something between them: otherwise they would be one."""
    return first.stop is not None and first.stop < second.start


def _digest(raw: bytes) -> Digest:
    if len(raw) != SIZE:
        raise FormatError("a request or top-up with an invalid digest")
    return Digest(raw)
