"""Requests for damaged bytes and top-ups: one encoding each, and all others are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.format.top_ups import (
    MAX_SIZE,
    ByteRange,
    DamageRequest,
    TopUp,
    emit_request,
    emit_top_up,
    ends,
    gaps,
    parse_request,
    parse_top_up,
)
from airpatch.model.digest import Digest

DIGEST = Digest.of(b"")
REQUEST = DamageRequest("shop.tar.zst", (ByteRange(0, 10), ByteRange(20, None)), DIGEST)
TOP_UP = TopUp(REQUEST, 30, DIGEST, DIGEST)


@st.composite
def requests(draw: st.DrawFn) -> DamageRequest:
    bounds = sorted(draw(st.sets(st.integers(0, MAX_SIZE), min_size=2, max_size=20)))
    ranges = [ByteRange(start, stop) for start, stop in zip(bounds[::2], bounds[1::2], strict=False)]
    if draw(st.booleans()):
        ranges[-1] = replace(ranges[-1], stop=None)
    return DamageRequest("a name", tuple(ranges), DIGEST)


@given(requests())
def test_requests_come_back(request: DamageRequest) -> None:
    assert parse_request(emit_request(request)) == request


@given(requests())
def test_top_ups_come_back(request: DamageRequest) -> None:
    top_up = TopUp(request, MAX_SIZE, DIGEST, Digest.of(b"given"))
    assert parse_top_up(emit_top_up(top_up)) == top_up


@given(requests(), st.integers(0, 1000))
def test_ranges_and_gaps_are_the_whole_file(request: DamageRequest, more: int) -> None:
    size = max(r.start if r.stop is None else r.stop for r in request.ranges) + 1 + more
    ranges = tuple(ends(request.ranges, size))
    covered = sorted([*ranges, *gaps(ranges, size)])
    assert covered[0][0] == 0
    assert covered[-1][1] == size
    assert all(before[1] == after[0] for before, after in pairwise(covered))


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        (ByteRange(-1, 3),),
        (ByteRange(3, 3),),
        (ByteRange(0, MAX_SIZE + 1),),
        (ByteRange(0, 5), ByteRange(5, 9)),
        (ByteRange(5, 9), ByteRange(0, 3)),
        (ByteRange(0, None), ByteRange(7, 9)),
    ],
    ids=["none", "negative", "empty", "too far", "touching", "disorder", "after the end"],
)
def test_ranges_that_make_no_sense_are_refused(ranges: tuple[ByteRange, ...]) -> None:
    with pytest.raises(FormatError):
        parse_request(emit_request(replace(REQUEST, ranges=ranges)))


@pytest.mark.parametrize("size", [0, 20, MAX_SIZE + 1])
def test_a_top_up_of_a_file_without_its_ranges_is_refused(size: int) -> None:
    with pytest.raises(FormatError, match="beyond the end"):
        parse_top_up(emit_top_up(replace(TOP_UP, size=size)))


def test_what_follows_a_request_is_refused() -> None:
    with pytest.raises(FormatError, match="followed by other bytes"):
        parse_request(emit_request(REQUEST) + b"\0")


def plain(**changes: object) -> dict[str, object]:
    return {"airpatch": 1, "name": "shop.tar.zst", "ranges": [[0, 10], [20, None]], "rest": DIGEST.raw, **changes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"airpatch": 2}, "of version 2"),
        ({"airpatch": True}, "of version True"),
        ({"name": "a\nb"}, "lacks a member"),
        ({"ranges": None}, "lacks a member"),
        ({"ranges": [[0]]}, "an unusable range"),
        ({"ranges": [[False, 10]]}, "an unusable range"),
        ({"ranges": [[0, True]]}, "an unusable range"),
        ({"rest": bytes(31)}, "an invalid digest"),
        ({"more": 1}, "not in its canonical form"),
    ],
)
def test_adversary_42_other_values_are_refused(changes: dict[str, object], reason: str) -> None:
    assert parse_request(sealed.seal(magics.DAMAGE_REQUEST, plain())) == REQUEST
    with pytest.raises(FormatError, match=reason):
        parse_request(sealed.seal(magics.DAMAGE_REQUEST, plain(**changes)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": "30"}, "lacks a member"),
        ({"given": bytes(31)}, "an invalid digest"),
        ({"request": plain(airpatch=2)}, "of version 2"),
        ({"more": 1}, "not in its canonical form"),
    ],
)
def test_adversary_42_other_top_ups_are_refused(changes: dict[str, object], reason: str) -> None:
    value = {"request": plain(), "size": 30, "whole": DIGEST.raw, "given": DIGEST.raw}
    assert parse_top_up(sealed.seal(magics.TOP_UP, value)) == TOP_UP
    with pytest.raises(FormatError, match=reason):
        parse_top_up(sealed.seal(magics.TOP_UP, {**value, **changes}))
