"""The tables of spec/PARTS.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from airpatch.format import canonical, magics, parts, sealed, top_ups
from airpatch.format.parts import Header, WholeFile, emit_header
from airpatch.model.digest import SIZE, Digest

SPEC = (Path(__file__).resolve().parents[1] / "spec" / "PARTS.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SPEC.splitlines() if line.startswith("| ")]


def header() -> bytes:
    whole = WholeFile("name", 5, Digest.of(b"whole"), 4096, 4096, 0)
    return emit_header(Header(whole, 1, bytes(SIZE), Header(whole, 1, bytes(SIZE)).digest))


def test_the_fixed_fields() -> None:
    offsets = {row[0]: row for row in ROWS if row[0][:1].isdigit()}
    assert bytes.fromhex(offsets["0"][2].removeprefix("magic: ").strip("`")) == magics.PART
    assert int(offsets["8"][0]) + int(offsets["8"][1]) == sealed.PREFIX == int(offsets["12"][0])
    assert offsets["12 + L"][1] == str(SIZE)
    assert f"at most {parts.MAX_DESCRIPTION:,}" in offsets["8"][2]
    assert len(header()) == parts.size_of_header(header()[: sealed.PREFIX])


def test_the_description_has_these_keys_in_this_order() -> None:
    described = canonical.unpack(header()[sealed.PREFIX : -SIZE], "the header")
    assert isinstance(described, dict)
    kinds = {"int": int, "str": str, "bin": bytes}
    rows = [row for row in ROWS if re.fullmatch(r"`\w+`", row[0])][: len(described)]
    table = {row[0].strip("`"): kinds[row[1]] for row in rows}
    assert list(table) == list(described)
    assert [type(value) for value in described.values()] == list(table.values())


def test_the_limits() -> None:
    assert f"from {parts.LEAST_CHUNK:,} to {parts.MOST_CHUNK:,}" in SPEC
    assert f"at most {parts.MAX_PARTS:,} parts, with parity at most {parts.MAX_CODED_PARTS}" in SPEC
    assert f"at most {parts.MAX_NAME} bytes" in SPEC
    assert f"at most 2^{parts.MAX_SIZE.bit_length() - 1}" in SPEC


def test_top_ups() -> None:
    request = top_ups.DamageRequest("name", (top_ups.ByteRange(1, None),), Digest.of(b"rest"))
    top_up = top_ups.TopUp(request, 9, Digest.of(b"whole"), Digest.of(b"given"))
    rows = [row[0].strip("`") for row in ROWS]
    for head, content, magic in (
        ("request", top_ups.emit_request(request), magics.DAMAGE_REQUEST),
        ("top-up", top_ups.emit_top_up(top_up), magics.TOP_UP),
    ):
        assert magic.hex(" ") in SPEC
        value = canonical.unpack(content[sealed.PREFIX : -SIZE], "a value")
        assert isinstance(value, dict)
        first = rows.index(head) + 1
        assert list(value) == rows[first : first + len(value)]
    assert f"at most {top_ups.MAX_VALUE:,}" in SPEC
