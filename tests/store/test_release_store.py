"""Releases in a store: found by name, id and product; whatever is wrong with one is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.errors import FormatError, IntegrityError, TargetError, UsageError
from airpatch.format import canonical
from airpatch.model.digest import Digest
from airpatch.store.object_names import release_bytes, release_name
from airpatch.store.release_store import ReleaseStore, make_store
from airpatch.store.store_address import MARKER, parse_store_address
from tests.support import Builder


@pytest.fixture
def filled(store: ReleaseStore, sample: Builder) -> ReleaseStore:
    """A store with two releases of one product, and one of another."""
    for name, sequence, product in (("r2", 2, "shop"), ("r1", 1, "shop"), ("r1", 7, "tools")):
        content = release_bytes(replace(sample.release, name=name, sequence=sequence, product=product))
        store.objects.create(release_name(Digest.of(content)), content)
    return store


def test_releases_are_in_order(filled: ReleaseStore) -> None:
    found = [(each.release.product, each.release.name) for each in filled.releases()]
    assert found == [("shop", "r1"), ("shop", "r2"), ("tools", "r1")]


def test_a_release_is_chosen(filled: ReleaseStore) -> None:
    assert filled.choose("r2").release.name == "r2"
    assert filled.choose(product="shop").release.name == "r2"
    tools = filled.choose("r1", "tools")
    assert filled.choose(tools.id.hex[:12]) == tools
    assert filled.choose(str(tools.id)) == tools


@pytest.mark.parametrize(
    ("wanted", "product", "message"),
    [
        (None, None, "several products"),
        ("r1", None, "several releases are called r1"),
        ("r3", None, "has no release 'r3'"),
        (None, "web", "holds no release of product web"),
    ],
)
def test_what_cannot_be_chosen(filled: ReleaseStore, wanted: str | None, product: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filled.choose(wanted, product)


def test_an_empty_store_has_no_release(store: ReleaseStore) -> None:
    assert store.releases() == []
    with pytest.raises(UsageError, match=r"holds no release$"):
        store.choose()


def test_other_objects_are_ignored(filled: ReleaseStore) -> None:
    filled.objects.put("releases/.DS_Store", b"")
    assert len(filled.releases()) == 3


def test_a_damaged_release_is_told(filled: ReleaseStore) -> None:
    name = release_name(filled.choose("r2").id)
    filled.objects.put(name, b"other")
    with pytest.raises(IntegrityError, match="its content has another digest"):
        filled.releases()


def test_what_is_no_release_is_told(store: ReleaseStore) -> None:
    content = canonical.pack({"name": "r1"})
    store.objects.put(release_name(Digest.of(content)), content)
    with pytest.raises(FormatError, match="the release must have the fields"):
        store.releases()


def test_a_folder_of_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="a folder of other things"):
        make_store(parse_store_address(str(tmp_path)))
    with pytest.raises(UsageError, match="holds no store"):
        ReleaseStore(parse_store_address(str(tmp_path)))


def test_without_the_library_there_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match="store"):
        make_store(parse_store_address(str(tmp_path / "new")))
    assert not (tmp_path / "new").exists()


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name, cause in (("file", "File exists"), ("file/store", "Not a directory"), ("loop/store", "Too many levels")):
        with pytest.raises(TargetError, match=f"{name}: .*{cause}"):
            make_store(parse_store_address(f"{tmp_path}/{name}"))


def test_a_store_of_a_later_version_is_refused(store: ReleaseStore) -> None:
    store.objects.put(MARKER, b'{"format": "airpatch.store/2"}\n')
    with pytest.raises(FormatError, match="names a version of stores"):
        ReleaseStore(store.address)
