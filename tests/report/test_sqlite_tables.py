"""Tables of SQLite, held against SQLite itself; whatever is damaged ends with an error, and soon."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.report.sqlite_tables import table_rows

values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300), st.integers(0, 20_000).map(bytes), st.floats()
)


def database(rows: list[tuple[object, object]], page: int = 4096) -> bytes:
    """A database with two tables, of which one has `rows`, behind a column that is the id of the row."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("CREATE TABLE other (a)")
        connection.execute("CREATE TABLE wanted (id INTEGER PRIMARY KEY, a, b)")
        connection.executemany("INSERT INTO wanted (a, b) VALUES (?, ?)", rows)
        connection.commit()
        return connection.serialize()


@given(st.lists(st.tuples(values, values), max_size=60), st.sampled_from([512, 1024, 4096, 65536]))
def test_rows_are_those_of_sqlite(rows: list[tuple[object, object]], page: int) -> None:
    """With trees of several levels and rows that overflow; numbers with a fraction are not read."""
    content = database(rows, page)
    with closing(sqlite3.connect(":memory:")) as connection:  # SQLite makes integers of some numbers, and null of NaN
        connection.deserialize(content)
        stored = list(connection.execute("SELECT a, b FROM wanted ORDER BY id"))
    expected = [[None, *(None if isinstance(each, float) else each for each in row)] for row in stored]
    assert list(table_rows(content, "wanted")) == expected


def test_a_tree_of_three_levels() -> None:
    rows = [(number, number.to_bytes(2, "big") * 40) for number in range(3000)]
    assert list(table_rows(database(list(rows), 512), "wanted")) == [[None, *row] for row in rows]


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(FormatError, match="without a table none"):
        list(table_rows(database([]), "none"))


@pytest.mark.parametrize("size", [0, 16, 99, 100, 4096, 5000, 12287])
def test_databases_that_are_cut_short(size: int) -> None:
    with pytest.raises(FormatError):
        list(table_rows(database([(b"x" * 3000, b"y" * 9000)])[:size], "wanted"))


@pytest.mark.parametrize("field", [b"\0\0", b"\0\3", b"\3\0"])
def test_sizes_of_pages_that_are_none(field: bytes) -> None:
    content = database([])
    with pytest.raises(FormatError, match="page size"):
        list(table_rows(content[:16] + field + content[18:], "wanted"))


def test_damage_anywhere_is_an_error_or_other_rows() -> None:
    content = database([(number, bytes(number * 50)) for number in range(200)], 512)
    chance = random.Random(1)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            rows = list(table_rows(bytes(damaged), "wanted"))
        except FormatError:
            continue
        assert sum(len(each) for row in rows for each in row if isinstance(each, bytes)) <= len(content)


def test_rows_of_more_columns_than_a_table_has_are_refused() -> None:
    content = bytearray(database([(b"", bytes(40_000))], 65536))
    row = content.index(b"\x06\x00\x0c\x84\xf1\x0c")  # six bytes of header, of which three columns' types
    content[row : row + 3] = b"\x82\xb8\x00"  # 40,000 columns
    with pytest.raises(FormatError, match="more than 32767 columns"):
        list(table_rows(bytes(content), "wanted"))


def test_pages_that_lead_to_more_pages_than_there_are_are_refused() -> None:
    rows = [(number, number.to_bytes(2, "big") * 40) for number in range(3000)]
    content = bytearray(database(list(rows), 512))
    for start in range(512, len(content), 512):
        if content[start] == 5:  # an interior page, whose every cell is the same then
            content[start + 3 : start + 5] = (250).to_bytes(2, "big")
            content[start + 12 : start + 512] = (12).to_bytes(2, "big") * 250
    with pytest.raises(FormatError):
        list(table_rows(bytes(content), "wanted"))
