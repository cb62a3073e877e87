"""Headers of parts, and how a file is split: one encoding, and numbers that add up."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.format.parts import (
    LEAST_CHUNK,
    MAX_CODED_PARTS,
    VERSION,
    Header,
    WholeFile,
    blank_header,
    emit_header,
    header_size,
    is_file_name,
    parse_header,
    plan_parts,
    size_of_header,
)
from airpatch.model.digest import SIZE, Digest

WHOLE = WholeFile("shop.tar.zst", 100_000, Digest.of(b""), 8 * LEAST_CHUNK, LEAST_CHUNK, 1)


def second(whole: WholeFile) -> Header:
    return Header(whole, 2, bytes(SIZE * whole.chunks(2)))


@settings(max_examples=40)
@given(st.integers(0, 1 << 40), st.integers(16, 34), st.integers(0, 3))
def test_parts_are_smaller_than_asked_for_and_hold_the_whole(size: int, log: int, parity: int) -> None:
    limit = 1 << log
    try:
        whole = plan_parts("shop.tar.zst", size, limit, parity)
    except FormatError as error:
        assert re.search("parts, more than|no room for a payload", error.message)  # noqa: PT017 - both outcomes are right
        return
    assert sum(whole.payload(number) for number in range(1, whole.data_parts + 1)) == size
    assert whole.parts == whole.data_parts + parity
    for number in {1, 2, whole.data_parts, whole.parts} & set(range(1, whole.parts + 1)):
        assert whole.payload(number) + header_size(whole, number) < limit


def test_parts_are_as_large_as_their_limit_lets_them() -> None:
    """Whatever the limit, no file reaches it, and from the least one on that has room for a chunk, there is a plan."""
    sizes = []
    for limit in range(64 << 10, (64 << 10) + LEAST_CHUNK + 100):
        whole = plan_parts("a", 1 << 20, limit, 0)
        sizes.append(whole.part_size // whole.chunk)
        assert whole.payload(1) + header_size(whole, 1) < limit
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]
    least = next(limit for limit in range(LEAST_CHUNK, 2 * LEAST_CHUNK) if _has_room(limit))
    assert plan_parts("a", 1 << 16, least, 0).part_size == LEAST_CHUNK
    assert plan_parts("a", 1 << 40, 1 << 34, 0).chunk == 256 << 10


def _has_room(limit: int) -> bool:
    try:
        plan_parts("a", 1 << 16, limit, 0)
    except FormatError:
        return False
    return True


def test_headers_come_back() -> None:
    assert parse_header(emit_header(second(WHOLE))) == second(WHOLE)
    sums = bytes(SIZE * WHOLE.chunks(1))
    first = Header(WHOLE, 1, sums, b"")
    first = replace(first, parts=first.digest * WHOLE.parts)
    assert parse_header(emit_header(first)) == first
    assert first.digest_of(WHOLE.parts) == first.digest


@pytest.mark.parametrize(
    "whole",
    [
        replace(WHOLE, name="a/b"),
        replace(WHOLE, chunk=LEAST_CHUNK - 1),
        replace(WHOLE, chunk=3 * LEAST_CHUNK, part_size=3 * LEAST_CHUNK),
        replace(WHOLE, part_size=LEAST_CHUNK + 1),
        replace(WHOLE, parity=MAX_CODED_PARTS),
        replace(WHOLE, size=LEAST_CHUNK),
    ],
    ids=["name", "small chunk", "odd chunk", "part size", "parity", "number"],
)
def test_descriptions_that_make_no_sense_are_refused(whole: WholeFile) -> None:
    header = Header(whole, 3, bytes(SIZE * max(0, whole.chunks(3))))
    with pytest.raises(FormatError, match=r"chunks of|in \d+ parts|name|bytes of a file|part 3 of 2"):
        parse_header(emit_header(header))


def test_sums_must_cover_the_payload_and_agree() -> None:
    with pytest.raises(FormatError, match="do not cover"):
        parse_header(emit_header(replace(second(WHOLE), sums=bytes(SIZE))))
    with pytest.raises(FormatError, match="contradicts itself"):
        parse_header(emit_header(blank_header(WHOLE, 1)))


@pytest.mark.parametrize(
    ("name", "usable"), [("a", True), ("ä" * 127, True), ("ä" * 128, False), (".", False), ("..", False), ("\n", False)]
)
def test_names_of_files(name: str, usable: bool) -> None:
    assert is_file_name(name) is usable


def sealed_header(**changes: object) -> bytes:
    """The header of a part whose description is changed."""
    description = {
        "airpatch": VERSION, "name": WHOLE.name, "size": WHOLE.size, "whole": WHOLE.digest.raw,
        "part_size": WHOLE.part_size, "chunk": WHOLE.chunk, "parity": WHOLE.parity, "number": 2,
        "sums": bytes(SIZE * WHOLE.chunks(2)), "parts": b"",
    }  # fmt: skip
    return sealed.seal(magics.PART, {**description, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"airpatch": VERSION + 1}, "a part of format version 2"),
        ({"airpatch": True}, "a part of format version True"),
        ({"name": b"shop"}, "lacks a member, or one of another kind"),
        ({"size": "1"}, "lacks a member"),
        ({"whole": bytes(SIZE - 1)}, "lacks a member"),
        ({"sums": "x"}, "lacks a member"),
        ({"parts": bytes(SIZE)}, "as many as these"),
        ({"number": 1, "sums": bytes(SIZE * WHOLE.chunks(1)), "parts": bytes(SIZE)}, "as many as these"),
        ({"more": 1}, "not in its canonical form"),
    ],
)
def test_adversary_42_other_descriptions_are_refused(changes: dict[str, object], reason: str) -> None:
    assert parse_header(sealed_header()) == second(WHOLE)
    with pytest.raises(FormatError, match=reason):
        parse_header(sealed_header(**changes))


def test_a_header_says_how_long_it_is() -> None:
    header = emit_header(second(WHOLE))
    assert size_of_header(header[: sealed.PREFIX]) == len(header)
    with pytest.raises(FormatError, match="not a part"):
        size_of_header(header[1:])


def test_parts_are_named_by_their_number() -> None:
    assert WHOLE.data_parts == 4
    assert [WHOLE.part_name(number) for number in (1, 4, 5)] == [
        "shop.tar.zst.part-1-of-4", "shop.tar.zst.part-4-of-4", "shop.tar.zst.parity-1-of-1",
    ]  # fmt: skip
    assert replace(WHOLE, size=40 * WHOLE.part_size).part_name(7) == "shop.tar.zst.part-07-of-40"


def test_each_chunk_has_its_sum() -> None:
    header = replace(second(WHOLE), sums=bytes(SIZE) + b"\1" * SIZE)
    assert (header.sum(0), header.sum(1)) == (bytes(SIZE), b"\1" * SIZE)


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_has_as_many_parts_as_the_code_allows(more: int) -> None:
    whole = replace(WHOLE, part_size=LEAST_CHUNK, size=(MAX_CODED_PARTS - 1 + more) * LEAST_CHUNK)
    header = Header(whole, 2, bytes(SIZE))
    if more:
        with pytest.raises(FormatError, match="which is too many"):
            parse_header(emit_header(header))
    else:
        assert parse_header(emit_header(header)) == header
