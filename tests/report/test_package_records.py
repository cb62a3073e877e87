"""Packages by what each package manager leaves in an image, well-formed or not."""

from __future__ import annotations

import pytest

from airpatch.report.package_records import Installed, is_package_record, owner_of, owners_of, packages_in

RECORDS = {
    "var/lib/dpkg/status": (
        b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: C\n .\n\n"
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    ),
    "var/lib/dpkg/info/libc6:amd64.list": b"/.\n/lib/libc.so.6\n",
    "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2024a\n",
    "lib/apk/db/installed": b"C:Q1\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl.so\nF:\nR:top\n\nP:zlib\nV:1.3\n",
    "usr/lib/python3/site-packages/boto3-1.35.dist-info/METADATA": b"Name: boto3\nVersion: 1.35\n\nName: other\n",
    "usr/lib/python3/site-packages/boto3-1.35.dist-info/RECORD": (
        b'boto3/__init__.py,sha256=x,1\n"boto3/a, b.py",,\n../../../bin/boto,,\n'
    ),
    "app/old.egg-info/PKG-INFO": b"Name: old\nVersion: 0.1\n",
    "srv/node_modules/@types/node/package.json": b'{"name": "@types/node", "version": "20.1.0"}',
    "srv/node_modules/left/node_modules/pad/package.json": b'{"name": "pad"}',
}


def test_what_each_manager_leaves() -> None:
    assert all(map(is_package_record, RECORDS))
    found = {(each.manager, each.name): each.version for each in packages_in(RECORDS).packages}
    assert found == {
        ("apk", "musl"): "1.2.5-r0",
        ("apk", "zlib"): "1.3",
        ("dpkg", "libc6"): "2.36-9",
        ("dpkg", "tzdata"): "2024a",
        ("npm", "@types/node"): "20.1.0",
        ("npm", "pad"): "",
        ("pip", "boto3"): "1.35",
        ("pip", "old"): "0.1",
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lib/libc.so.6", "libc6"),
        ("lib/ld-musl.so", "musl"),
        ("top", "musl"),
        ("usr/lib/python3/site-packages/boto3/a, b.py", "boto3"),
        ("usr/lib/python3/site-packages/boto3-1.35.dist-info/WHEEL", "boto3"),
        ("usr/bin/boto", "boto3"),
        ("srv/node_modules/@types/node/dist/index.d.ts", "@types/node"),
        ("srv/node_modules/left/node_modules/pad/index.js", "pad"),
        ("srv/node_modules/left/index.js", None),
        ("etc/passwd", None),
    ],
)
def test_whose_a_file_is(path: str, name: str | None) -> None:
    owner = owner_of(path, owners_of(packages_in(RECORDS).packages))
    assert (owner and owner.name) == name


@pytest.mark.parametrize(
    "path", ["usr/share/node_modules/package.json", "srv/package.json", "var/lib/dpkg/info/x.md5sums", "METADATA"]
)
def test_other_files_tell_nothing(path: str) -> None:
    assert not is_package_record(path)


@pytest.mark.parametrize("content", [b"", b"\xff\0\n:\n\n", b"[" * 100_000, b'{"name": 5}', b"Package\nName"])
def test_records_that_are_none(content: bytes) -> None:
    assert packages_in(dict.fromkeys(RECORDS, content)) == Installed()


def test_names_are_cut() -> None:
    (package,) = packages_in({"lib/apk/db/installed": b"P:" + b"x" * 5000 + b"\nV:" + b"1" * 5000}).packages
    assert len(package.name) == len(package.version) == 200


def test_databases_that_cannot_be_read_are_told() -> None:
    """Those of older versions of rpm, what is too large to be a record, and what is damaged."""
    paths = ["var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "lib/apk/db/installed", "etc/passwd"]
    found = packages_in({"var/lib/rpm/rpmdb.sqlite": b"text"}, paths)
    assert found == Installed((), tuple(sorted([*paths[:3], "var/lib/rpm/rpmdb.sqlite"])))


@pytest.mark.parametrize(
    "records",
    [
        {"lib/apk/db/installed": b"P:x\nF:" + b"d" * 300_000 + b"\n" + b"R:a\n" * 50_000},
        {
            "var/lib/dpkg/status": b"Package: x\nVersion: 1\n\n" * 50_000,
            "var/lib/dpkg/info/x.list": b"/usr/share/doc/x\n" * 10_000,
        },
        {"d" * 4000 + "/x.dist-info/METADATA": b"Name: x\n", "d" * 4000 + "/x.dist-info/RECORD": b"a,,\n" * 200_000},
    ],
)
def test_few_records_cannot_name_more_files_than_memory_holds(records: dict[str, bytes]) -> None:
    found = packages_in(records)
    assert sum(len(path) for package in found.packages for path in package.files) < 300 << 20
    assert {package.name for package in found.packages} == {"x"}


def test_what_is_too_long_for_the_fields_of_a_package_is_not_read() -> None:
    path = "srv/node_modules/x/package.json"
    assert packages_in({path: b'{"name": "x"' + b" " * (1 << 20) + b"}"}) == Installed()
