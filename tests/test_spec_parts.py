"""The tables of spec/PARTS.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from airpatch.format import canonical, parts
from airpatch.format.parts import Header, Whole, emit_header
from airpatch.model.digest import SIZE, Digest

SPEC = (Path(__file__).resolve().parents[1] / "spec" / "PARTS.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SPEC.splitlines() if line.startswith("| ")]


def header() -> bytes:
    whole = Whole("name", 5, Digest.of(b"whole"), 4096, 4096, 0)
    return emit_header(Header(whole, 1, bytes(SIZE), Header(whole, 1, bytes(SIZE)).digest))


def test_the_fixed_fields() -> None:
    offsets = {row[0]: row for row in ROWS if row[0][:1].isdigit()}
    assert bytes.fromhex(offsets["0"][2].removeprefix("magic: ").strip("`")) == parts.MAGIC
    assert int(offsets["8"][0]) + int(offsets["8"][1]) == parts.PREFIX == int(offsets["12"][0])
    assert offsets["12 + L"][1] == str(SIZE)
    assert f"at most {parts.MAX_DESCRIPTION:,}" in offsets["8"][2]
    length = parts.description_size(header()[: parts.PREFIX])
    assert len(header()) == parts.PREFIX + length + SIZE


def test_the_description_has_these_keys_in_this_order() -> None:
    described = canonical.unpack(header()[parts.PREFIX : -SIZE], "the header")
    assert isinstance(described, dict)
    kinds = {"int": int, "str": str, "bin": bytes}
    table = {row[0].strip("`"): kinds[row[1]] for row in ROWS if re.fullmatch(r"`\w+`", row[0])}
    assert list(table) == list(described)
    assert [type(value) for value in described.values()] == list(table.values())


def test_the_limits() -> None:
    assert f"from {parts.LEAST_CHUNK:,} to {parts.MOST_CHUNK:,}" in SPEC
    assert f"at most {parts.MAX_PARTS:,} parts, with parity at most {parts.MAX_CODED_PARTS}" in SPEC
    assert f"at most {parts.MAX_NAME} bytes" in SPEC
    assert f"at most 2^{parts.MAX_SIZE.bit_length() - 1}" in SPEC
