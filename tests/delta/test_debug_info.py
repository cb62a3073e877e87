"""Fields of .debug_info: found wherever a cover begins, and none in what is malformed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta import debug_info
from airpatch.delta.debug_info import DebugInfo
from airpatch.delta.modes import DEBUG
from airpatch.delta.predict import Predictor
from airpatch.delta.references import LABEL, LEARN, PREDICT, Memory
from fixtures.debugging import abbreviations, address, entry, number, unit, word

START, MOVED = 1 << 16, 1 << 20
"""Where the source stands, and the target."""
FORMS = [
    0x01,
    0x0B,
    0x05,
    0x06,
    0x07,
    0x08,
    0x0E,
    0x0F,
    0x10,
    0x13,
    0x17,
    0x18,
    0x1E,
    0x1F,
    0x27,
    0x0A,
    0x03,
    0x04,
    0x1B,
]
ATTRIBUTES = [0x02, 0x03, 0x10, 0x11, 0x12, 0x3A, 0x55]
SIZES = {0x0B: 1, 0x05: 2, 0x27: 3, 0x06: 4, 0x07: 8, 0x1E: 16}


def predictor(info: bytes, table: bytes, bases: Sequence[tuple[int, int] | None] | None = None) -> Predictor:
    """One for information at START, of which each 256 bytes have moved by another distance."""
    points = [(START + at, MOVED + at + 3 * (at >> 8)) for at in range(0, len(info) + 1, 256)]
    found = Predictor([(START, START + len(info))], points, Memory())
    found.read_fields(DebugInfo(memoryview(info), memoryview(table), bases or [(START, MOVED)] * 6))
    return found


def run(predictor: Predictor, info: bytes, start: int, stop: int, task: int = PREDICT) -> bytes:
    piece = bytearray(info[start:stop])
    predictor.run(info[start:stop], piece, DEBUG, task, START + start, MOVED, 0, 0)
    return bytes(piece)


def value(form: int, source: random.Random) -> bytes:
    if form == 0x01:
        return address(START + source.randrange(4000))
    if form in (0x0E, 0x10, 0x13, 0x17, 0x1F):
        return word(source.randrange(1, 4000))
    if form in (0x0F, 0x1B):
        return number(source.randrange(1 << 20))
    if form == 0x08:
        return b"name\0"
    if form in SIZES:
        return source.randbytes(SIZES[form])
    block = source.choice([b"\3" + address(START + source.randrange(4000)), b"\x91\4", b"\3\1", b""])
    width = {0x0A: 1, 0x03: 2, 0x04: 4}.get(form)
    return (number(len(block)) if width is None else len(block).to_bytes(width, "little")) + block


def made(seed: int, units: int = 4) -> tuple[bytes, bytes]:
    """Information of some units, and its abbreviations."""
    source = random.Random(seed)
    kinds = [[(source.choice(ATTRIBUTES), source.choice(FORMS)) for _ in range(source.randrange(6))] for _ in range(9)]
    info = b""
    for _ in range(units):
        entries = b""
        for _ in range(source.randrange(90)):
            code = source.randrange(1, 10)
            entries += entry(code, *(value(form, source) for _, form in kinds[code - 1])) + b"\0" * source.randrange(2)
        info += unit(entries, source.choice([3, 4, 5]), kind=source.randrange(1, 7))
    return info, abbreviations(*kinds)


@given(st.integers(0, 1 << 30), st.data())
def test_a_cover_that_begins_anywhere_finds_the_fields_in_it(seed: int, data: st.DataObject) -> None:
    info, table = made(seed)
    whole = run(predictor(info, table), info, 0, len(info))
    start = data.draw(st.integers(0, len(info)))
    stop = data.draw(st.integers(start, len(info)))
    part = run(predictor(info, table), info, start, stop)
    ends = [(start, min(start + 8, stop)), (max(stop - 8, start), stop)]  # fields that are not in the cover as a whole
    for at in range(start, stop):
        if not any(low <= at < high for low, high in ends):
            assert part[at - start] == whole[at]


@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_what_is_learned_is_predicted(seed: int, other: int) -> None:
    info, table = made(seed)
    random.Random(other).shuffle(order := list(range(0, len(info), 256)))
    points = [
        (START + at, MOVED + 2 * where) for at, where in zip(range(0, len(info), 256), sorted(order), strict=True)
    ]
    knows = Predictor([(START, START + len(info))], points, Memory())
    knows.read_fields(DebugInfo(memoryview(info), memoryview(table), [(START, MOVED)] * 6))
    right = run(knows, info, 0, len(info))
    learns = predictor(info, table)
    learns.run(info, bytearray(right), DEBUG, LEARN, START, MOVED, 0, 0)
    before, after = (run(each, info, 0, len(info)) for each in (predictor(info, table), learns))
    assert sum(map(int.__ne__, after, right)) <= sum(map(int.__ne__, before, right))


@given(st.binary(max_size=200), st.binary(max_size=60), st.integers(0, 220), st.sampled_from([PREDICT, LEARN, LABEL]))
def test_any_bytes_keep_their_size(info: bytes, table: bytes, start: int, task: int) -> None:
    assert len(run(predictor(info, table), info, start, len(info), task)) == max(len(info) - start, 0)


TABLE = abbreviations([(0x11, 1)])


def field(info: bytes, table: bytes = TABLE) -> bool:
    """Whether the last 8 bytes are a field."""
    return run(predictor(info, table), info, 0, len(info)) != info


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (unit(entry(1, address(START))), True),
        (unit(entry(1, address(START)), 3), True),
        (unit(entry(1, address(START)), 2), False),
        (unit(entry(1, address(START)), 6), False),
        (unit(entry(1, address(START)), 5, kind=7), False),
        (unit(entry(1, address(START)), width=4), False),
        (unit(entry(1, address(START)), table=99), False),
        (unit(entry(2, address(START))), False),
        (unit(b"\0\0" + entry(1, address(START))), True),
        (unit(b"\x81\0" + address(START)), True),
        (unit(entry(1, address(START)))[:-1], False),
        (bytes(4) + unit(entry(1, address(START))), False),
        (unit(entry(1, address(0))), False),
    ],
)
def test_units_that_have_fields(info: bytes, expected: bool) -> None:
    assert field(info) is expected


def test_a_field_without_a_base_stays() -> None:
    info, table = unit(entry(1, word(1), word(1))), abbreviations([(3, 0x0E), (0x49, 0x10)])
    moved = run(predictor(info, table, [(START, MOVED + 5), *[None] * 5]), info, 0, len(info))
    assert moved[:-4] == info[:-4]
    assert moved[-4:] == word((1 - 5) % 2**32)


def test_no_more_units_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    each = unit(entry(1, address(START)))
    monkeypatch.setattr(debug_info, "MAX_UNITS", 2)
    assert field(each * 2)
    assert run(predictor(each * 3, TABLE), each * 3, len(each) * 2, len(each) * 3) == each


@pytest.mark.parametrize("sections", [0, 1, 2])
def test_blocks_without_an_entry_that_begins_in_them(sections: int) -> None:
    table = abbreviations([(3, 4), (0x11, 1)])
    whole = b"".join(
        unit(entry(1, (4000).to_bytes(4, "little") + bytes(4000), address(START + i))) for i in range(sections + 1)
    )
    moved = run(predictor(whole, table), whole, 0, len(whole))
    assert moved[-8:] == address(MOVED + sections)
    for start in range(0, len(whole) - 8, 777):
        assert run(predictor(whole, table), whole, start, len(whole))[-8:] == moved[-8:]


@pytest.mark.parametrize("size", [debug_info.MAX_ENTRY, debug_info.MAX_ENTRY + 1])
@pytest.mark.parametrize("form", [0x08, 0x09, 0x0F, None])
def test_an_entry_that_is_too_long_ends_its_unit(size: int, form: int | None) -> None:
    """Be it for a string, a block, a number, or the number that it begins with."""
    table = abbreviations([(3, form or 1)], [(0x11, 1)])
    long = b"\x80" * (size - 1) + b"\0"
    if form is not None:
        long = entry(1, number(size - 3) + bytes(size - 3) if form == 0x09 else long[1:])
    short = entry(2, address(START))
    assert len(long) == size
    info = unit(long + short) + unit(short)
    moved = run(predictor(info, table), info, 0, len(info))
    assert moved[-8:] == address(MOVED)
    end = len(unit(long + short))
    assert (moved[end - 8 : end] == address(MOVED)) is (size == debug_info.MAX_ENTRY)
