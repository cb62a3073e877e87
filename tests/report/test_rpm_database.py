"""Headers in SQLite databases of rpm, right and damaged."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing

import pytest

from airpatch.report.package import Package, PathRoom
from airpatch.report.package_records import packages_in
from airpatch.report.rpm_database import rpm_packages


def header(texts: dict[int, list[str]], numbers: dict[int, list[int]]) -> bytes:
    """As rpm's `headerExport`: the number of entries, that of bytes, the entries, the bytes."""
    entries, data = [], b""
    for tag, values in texts.items():
        entries.append((tag, 6 if len(values) == 1 else 8, len(data), len(values)))
        data += b"".join(value.encode() + b"\0" for value in values)
    for tag, number in numbers.items():
        data += bytes(-len(data) % 4)
        entries.append((tag, 4, len(data), len(number)))
        data += struct.pack(f">{len(number)}I", *number)
    return (
        struct.pack(">II", len(entries), len(data)) + b"".join(struct.pack(">IIII", *each) for each in entries) + data
    )


def database(*headers: bytes) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(each,) for each in headers])
        connection.commit()
        return connection.serialize()


BASH = header(
    {1000: ["bash"], 1001: ["5.1"], 1002: ["9.el9"], 1117: ["bash", "README"], 1118: ["/usr/bin/", "/usr/share/doc/"]},
    {1116: [0, 1]},
)
DBUS = header({1000: ["dbus"], 1001: ["1.12"], 1002: ["8"]}, {1003: [1]})


def test_packages_with_their_files() -> None:
    assert rpm_packages(database(BASH, DBUS), PathRoom()) == (
        [
            Package("rpm", "bash", "5.1-9.el9", ("usr/bin/bash", "usr/share/doc/README")),
            Package("rpm", "dbus", "1:1.12-8"),
        ],
        True,
    )
    found = packages_in({"var/lib/rpm/rpmdb.sqlite": database(DBUS, BASH)})
    assert ([each.name for each in found.packages], found.unread) == (["bash", "dbus"], ())


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        BASH[:7],
        BASH[:40],
        b"\xff" * 16,
        header({1001: ["5.1"], 1002: ["1"]}, {}),
        header({1000: ["x"], 1001: ["1"], 1002: ["1"], 1117: ["a"], 1118: ["/"]}, {1116: [9]}),
        header({1000: ["x"], 1001: ["1"], 1002: ["1"], 1117: ["a", "b"], 1118: ["/"]}, {1116: [0]}),
    ],
)
def test_a_damaged_header_leaves_out_its_package(damaged: bytes) -> None:
    packages, is_whole = rpm_packages(database(damaged, DBUS), PathRoom())
    assert ([each.name for each in packages], is_whole) == (["dbus"], False)


@pytest.mark.parametrize("content", [b"", b"no database", database()[:200], database(BASH)[:4096] + b"\xff" * 8192])
def test_what_is_no_database_has_no_packages(content: bytes) -> None:
    assert rpm_packages(content, PathRoom()) == ([], False)


def test_a_row_that_is_no_header_leaves_out_its_package() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(None,), (7,), (DBUS,)])
        connection.commit()
        content = connection.serialize()
    packages, is_whole = rpm_packages(content, PathRoom())
    assert ([each.name for each in packages], is_whole) == (["dbus"], False)


def test_a_long_folder_of_many_files_takes_no_more_than_there_is_room_for() -> None:
    many = header(
        {1000: ["x"], 1001: ["1"], 1002: ["1"], 1117: ["f"] * 50_000, 1118: ["/" + "d" * 100_000]}, {1116: [0] * 50_000}
    )
    found = packages_in({"var/lib/rpm/rpmdb.sqlite": database(many, BASH)})
    assert [each.name for each in found.packages] == ["bash", "x"]
    assert 1000 < len(found.packages[1].files) < 10_000
    assert found.unread == ("var/lib/rpm/rpmdb.sqlite",)
