"""What names a store, and a release in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.store.store_address import MARKER, is_store_address, parse_store_address, parse_whole_store


@pytest.mark.parametrize(
    ("spec", "path", "url", "release"),
    [
        ("shop", "shop", "", None),
        ("store:shop#4.2.0", "shop", "", "4.2.0"),
        ("/srv/shop#4.2.0", "/srv/shop", "", "4.2.0"),
        ("file:///srv/my%20shop#a", "/srv/my shop", "", "a"),
        ("s3://bucket", None, "s3://bucket", None),
        ("s3://bucket/shop/#r 1", None, "s3://bucket/shop", "r 1"),
    ],
)
def test_addresses(spec: str, path: str | None, url: str, release: str | None) -> None:
    found = parse_store_address(spec)
    assert (found.path, found.url, found.release) == (None if path is None else Path(path), url, release)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ftp://host/x", "is no place of a store"),
        ("file://host/x", "names another host"),
        ("s3:///x", "names no bucket"),
        ("s3://id:key@bucket/x", "neither options nor credentials"),
        ("s3://bucket/x?region=here", "neither options nor credentials"),
        ("s3://[::1/x", "is no URL"),
        ("shop#", "names no release"),
    ],
)
def test_what_is_none(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_store_address(spec)


def test_a_folder_may_have_the_mark_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "shop#1").mkdir()
    found = parse_store_address(f"{tmp_path}/shop#1")
    assert (found.path, found.release) == (tmp_path / "shop#1", None)


def test_a_release_is_refused_where_a_whole_store_is_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"names the release '1' behind #, where a whole store is meant"):
        parse_whole_store(f"{tmp_path}/shop#1")
    (tmp_path / "shop#1").mkdir()
    assert parse_whole_store(f"{tmp_path}/shop#1").path == tmp_path / "shop#1"


def test_what_is_told_from_other_sources(tmp_path: Path) -> None:
    assert not is_store_address(str(tmp_path))
    (tmp_path / MARKER).touch()
    assert is_store_address(str(tmp_path))
    assert is_store_address(f"{tmp_path}#r1")
    assert is_store_address("s3://bucket")
    assert is_store_address("store:nowhere")
    assert not is_store_address("docker://host/image")
    assert not is_store_address("")
