"""Headers of parts, and how a file is split: one encoding, and numbers that add up."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format.parts import (
    LEAST_CHUNK,
    MAX_CODED_PARTS,
    Header,
    WholeFile,
    blank_header,
    emit_header,
    header_size,
    is_file_name,
    parse_header,
    plan_parts,
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
        replace(WHOLE, chunk=3 * LEAST_CHUNK),
        replace(WHOLE, part_size=LEAST_CHUNK + 1),
        replace(WHOLE, parity=MAX_CODED_PARTS),
        replace(WHOLE, size=LEAST_CHUNK),
    ],
    ids=["name", "small chunk", "odd chunk", "part size", "parity", "number"],
)
def test_descriptions_that_make_no_sense_are_refused(whole: WholeFile) -> None:
    header = Header(whole, 3, bytes(SIZE * max(0, whole.chunks(3))))
    with pytest.raises(FormatError):
        parse_header(emit_header(header))


def test_sums_must_cover_the_payload_and_agree() -> None:
    with pytest.raises(FormatError, match="do not cover"):
        parse_header(emit_header(replace(second(WHOLE), sums=bytes(SIZE))))
    with pytest.raises(FormatError, match="contradicts itself"):
        parse_header(emit_header(blank_header(WHOLE, 1)))


@pytest.mark.parametrize(
    ("name", "usable"), [("a", True), ("ä" * 127, True), ("ä" * 128, False), ("..", False), ("\n", False)]
)
def test_names_of_files(name: str, usable: bool) -> None:
    assert is_file_name(name) is usable
