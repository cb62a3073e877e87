"""A file from its uncompressed data and decisions: records must come in the order of a gzip file."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from airpatch.deflate.layout_column import BlockPiece, MemberStart, Record, Tail, Trailer, write_record
from airpatch.deflate.tables import STORED
from airpatch.errors import FormatError
from tests.deflate.support import put_together, take_apart

UNCOMPRESSED = b"four"
HEADER = b"\x1f\x8b\x08" + bytes(7)
MEMBER: list[Record] = [MemberStart(HEADER), BlockPiece(STORED, len(UNCOMPRESSED), True), Trailer(0, None, None)]
FILE = (
    HEADER
    + b"\x01\x04\x00\xfb\xff"
    + UNCOMPRESSED
    + zlib.crc32(UNCOMPRESSED).to_bytes(4, "little")
    + b"\x04\x00\x00\x00"
)


def rebuilt(records: list[Record]) -> bytes:
    """What these records make of the uncompressed data and the columns of as many members, at least one."""
    members = max(sum(isinstance(record, MemberStart) for record in records), 1)
    layout = b"".join(map(write_record, records))
    return put_together(replace(take_apart(members * FILE), layout=layout))


def test_members_then_tails() -> None:
    assert rebuilt([*MEMBER, *MEMBER, Tail(b"end"), Tail(b"!")]) == 2 * FILE + b"end!"


@pytest.mark.parametrize(
    "records",
    [
        [Tail(b"x"), *MEMBER],  # a tail first
        [*MEMBER, Tail(b"x"), *MEMBER],  # a tail between
        MEMBER[1:],  # no header
        MEMBER[:2],  # no trailer
        [MEMBER[0], MEMBER[2]],  # no block
        [MEMBER[0], MEMBER[1], MEMBER[1], MEMBER[2]],  # a block after the final one
        [MEMBER[0], BlockPiece(STORED, 4, False), MEMBER[2]],  # no final block
        [MEMBER[0], BlockPiece(STORED, 3, True), MEMBER[2]],  # uncompressed data is left
        [MEMBER[0], BlockPiece(STORED, 5, True), MEMBER[2]],  # too little uncompressed data
    ],
)
def test_records_out_of_place_are_refused(records: list[Record]) -> None:
    with pytest.raises(FormatError):
        rebuilt(records)
