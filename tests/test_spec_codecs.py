"""The tables of spec/DELTA.md, DEFLATE.md and ENCODERS.md say what the codecs do."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from airpatch.deflate import layout_column as layout
from airpatch.deflate.layout_column import Code
from airpatch.deflate.parse import GzipParser
from airpatch.delta import addresses, columns, modes, predict, references
from airpatch.delta.decoder import MAGIC, MAX_INSTRUCTIONS
from airpatch.delta.decoder import MAX_SOURCES as MAX_DELTA_SOURCES
from airpatch.encoders.replicas import flushed_names, other_names, usual_names
from airpatch.encoders.zstd_replicas import zstd_names
from airpatch.format.index import MAX_SOURCES
from tests.delta.support import noise
from tests.layers.support import GZIP_HEADER, replica

SPEC = Path(__file__).resolve().parent.parent / "spec"
DELTA, DEFLATE, ENCODERS = ((SPEC / f"{name}.md").read_text() for name in ("DELTA", "DEFLATE", "ENCODERS"))


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("`{}`; the last one is the version", MAGIC.hex(" ").upper()),
        ("| count of sources | number, at most {};", MAX_DELTA_SOURCES),
        ("number, 1 to {} |", MAX_INSTRUCTIONS),
        ("decoded sizes of a segment are at most {} bytes", columns.MAX_SEGMENT),
        ("the stored ones at most {}.", columns.MAX_STORED),
        ("| source ranges | count, at most {};", addresses.MAX_RANGES),
        ("| target ranges | count, 1 to {}.", addresses.MAX_RANGES),
        ("| points | count, at most {}.", addresses.MAX_POINTS),
        ("| bases | count, at most {}.", addresses.MAX_BASES),
        ("These numbers are below 2^{}.", addresses.LIMIT.bit_length() - 1),
        ("cover is at\n   most {} bytes long", predict.MAX_COVER),
        ("| {} + 3i | 4 bytes", modes.BASED),
        ("Memory has {} slots", references.MEMORY),
        ("The covers that count have at least {} bytes", addresses.MIN_COVER),
    ],
)
def test_numbers_of_deltas(text: str, value: object) -> None:
    assert text.format(value) in DELTA


def test_columns_of_deltas() -> None:
    table = [(row[1], row[3]) for row in rows(DELTA) if len(row) == 4 and row[0].isdigit() and row[3].startswith("2^")]
    assert table == [(name, f"2^{log}") for name, log in zip(columns.NAMES, columns.WINDOW_LOGS, strict=True)]
    assert MAX_SOURCES <= MAX_DELTA_SOURCES


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("| | 2 (0x{:02X}) | BFINAL |", layout.FINAL),
        ("| | 3 (0x{:02X}) | further pieces follow", layout.MORE),
        ("| | 4 (0x{:02X}) | stored: padding", layout.LONG),
        ("| piece 0x{:02X} |", layout.PIECE_TAG),
        ("| member 0x{:02X} |", layout.MEMBER_TAG),
        ("| trailer 0x{:02X} |", layout.TRAILER_TAG),
        ("| tail 0x{:02X} |", layout.TAIL_TAG),
        ("has at most {} tokens", layout.PIECE),
        ("A piece ends with its {}th token", layout.PIECE),
        ("| tail | varint: size, 1 to {};", layout.TAIL_PIECE),
        ("| member | varint: size, at most 2^{};", layout.HEADER_LIMIT.bit_length() - 1),
        ("the values 1 to {} in their order", max(Code)),
    ],
)
def test_numbers_of_decisions(text: str, value: int) -> None:
    assert text.format(value) in DEFLATE


def test_codes_of_decisions() -> None:
    """The table begins with the explicit one."""
    table = rows(DEFLATE.partition("### Codes")[2].partition("Symbol counts")[0])
    assert [int(row[0]) for row in table[1:]] == list(Code)


def test_the_names_of_encoders() -> None:
    named: list[str] = []
    for name, levels, *_ in (row for row in rows(ENCODERS) if len(row) == 4 and row[0].startswith("`")):
        if "zstd" in name:
            continue
        pattern = name.strip("`")
        if pattern == "pgzip/X":
            named += [f"pgzip/{each}" for each in named if each.startswith("klauspost")]
            continue
        for level in _numbers(levels.partition(", M ")[0]) or [0]:
            for memory in _numbers(levels.partition(", M ")[2]) or [0]:
                named.append(pattern.replace("N", str(level)).replace("memM", f"mem{memory}"))
    assert sorted(named) == sorted(usual_names() + other_names() + flushed_names())


def test_the_names_of_zstd_encoders() -> None:
    named = []
    for name, versions, *_ in (row for row in rows(ENCODERS) if len(row) == 4 and row[0].startswith("`kzstd-")):
        named += [name.strip("`").replace("-V-", f"-{version}-") for version in re.findall(r"1\.\d+\.\d+", versions)]
    assert sorted(named) == sorted(zstd_names())


def _numbers(text: str) -> list[int]:
    """What `1..7, 9` stands for."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\.\.(\d+))?", text):
        found += range(int(first), int(last or first) + 1)
    return found


def _fixed(count: int) -> bytes:
    """A gzip file of one fixed block of so many letters."""
    bits = "110" + format(0x30 + 97, "08b") * count + "0" * 7
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    uncompressed = b"a" * count
    trailer = zlib.crc32(uncompressed).to_bytes(4, "little") + count.to_bytes(4, "little")
    return bytes.fromhex("1f8b08000000000000ff") + body + trailer


def _layout(file: bytes) -> str:
    parser = GzipParser()
    parts = [*parser.feed(file), *parser.close()]
    return b"".join(part.layout for part in parts).hex()


@pytest.mark.parametrize(
    ("count", "pieces"), [(0, "0500"), (65535, "05ffff03"), (65536, "0d8080040300"), (65537, "0d8080040301")]
)
def test_the_decisions_of_a_file_pieces(count: int, pieces: str) -> None:
    """A block that ends with the last token of a piece has an empty one behind it."""
    assert _layout(_fixed(count)) == "230a" + "1f8b08000000000000ff" + pieces + "43"


@pytest.mark.parametrize("tail", ["1f8b08", "1f8b0800000000000", "1f8b0820000000000000", "00"])
def test_the_decisions_of_a_file_tails(tail: str) -> None:
    """What is too short for a member, or has reserved flags, is a tail."""
    more = bytes.fromhex(tail[: len(tail) // 2 * 2])
    assert _layout(_fixed(3) + more) == _layout(_fixed(3)) + f"63{len(more):02x}{more.hex()}"


def test_the_decisions_of_a_file_codes() -> None:
    """A header that zlib and Go would write alike: of the values that give it the one found last, else the lowest."""
    go = replica("go1-flate-6")
    either, clear = (bytes(byte % count for byte in noise(4000, 30)) for count in (32, 16))

    def code(file: bytes) -> int:
        """Of the last member's first block."""
        found = _layout(file)
        return int(found[found.rindex(GZIP_HEADER.hex()) + 2 * len(GZIP_HEADER) :][:2], 16) >> layout.CODE_SHIFT

    assert (code(go(either)), code(go(clear))) == (Code.ZLIB, Code.GO)
    assert code(go(clear) + go(either)) == Code.GO
