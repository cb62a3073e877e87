"""A patch is for an airpatch that may be older: a version by its number, or one that made an inventory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import FormatError, UsageError
from airpatch.format import inventories
from airpatch.format.inventories import Inventory
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.versions import known_features
from airpatch.model.digest import Digest
from airpatch.patches.readers import reader_features, reader_warnings
from tests.cli.support import IMAGES

USED = "encoder zlib-6"
"""What the patch from r1 to r2 uses."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """r1 as a bundle, and inventories of a host that has it, made by this airpatch and by an older one."""
    folder = tmp_path_factory.mktemp("readers")
    (folder / "images").write_text("registry.example:5000/shop/web:r1\n")
    (folder / "new").write_text("registry.example:5000/shop/web:r2\n")
    airpatch.create(IMAGES / "r1", folder / "r1", sequence=1, images_list=folder / "images")
    airpatch.apply(folder / "r1", folder / "root")
    airpatch.inventory(folder / "root", folder / "inventory")
    inventory = inventories.parse((folder / "inventory").read_bytes())
    assert isinstance(inventory, Inventory)
    older = replace(inventory, features=tuple(name for name in inventory.features if name != USED))
    (folder / "older").write_bytes(inventories.emit(older))
    return folder


def used(place: Path, tmp_path: Path, base: str, *readers: object) -> tuple[set[str], tuple[str, ...]]:
    """The features of the patch to r2 that is made for them, and warnings; the patch has been applied."""
    made = airpatch.diff(
        place / base, IMAGES / "r2", tmp_path / "patch", images_list=place / "new", content=place / "r1",
        readers=list(map(str, readers)), effort="fast",
    )  # fmt: skip
    airpatch.apply([place / "r1", tmp_path / "patch"], tmp_path / "root")
    return {feature.name for feature in made.index.features}, made.warnings


def lacking(warnings: Iterable[str]) -> list[str]:
    return [warning for warning in warnings if "does not know" in warning]


def test_for_this_airpatch(place: Path, tmp_path: Path) -> None:
    features, warnings = used(place, tmp_path, "r1")
    assert USED in features
    assert lacking(warnings) == []


@pytest.mark.parametrize(
    "base", ["r1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("inventory", "older"))]
)
def test_for_an_older_airpatch(base: str, place: Path, tmp_path: Path) -> None:
    """An inventory that is a base counts by itself."""
    features, warnings = used(place, tmp_path, base, *([] if base == "older" else [place / "older"]))
    assert features <= known_features() - {USED}
    (warning,) = lacking(warnings)
    assert f"{USED} (" in warning


def test_what_is_said_counts_more_than_what_an_inventory_that_is_a_base_says(place: Path, tmp_path: Path) -> None:
    features, warnings = used(place, tmp_path, "older", "0.1")
    assert USED in features
    assert lacking(warnings) == []


@pytest.mark.slow
def test_the_cost_is_explained(place: Path) -> None:
    def explained(reader: object) -> airpatch.Explanation:
        return airpatch.explain(place / "r1", IMAGES / "r2", images_list=place / "new", readers=[str(reader)])

    older, newer = explained(place / "older"), explained("0.1")
    assert newer.unrestricted is None
    assert older.unrestricted == sum(each.cost for each in newer.costs) < sum(each.cost for each in older.costs)


def test_several_readers_have_what_all_of_them_have(place: Path) -> None:
    both = reader_features([str(place / "older"), str(place / "inventory"), "0.1"], [])
    assert both.names == known_features() - {USED}
    assert reader_features([], []).names is None


def test_an_inventory_by_something_else_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_bytes(inventories.emit(Inventory("", (), {})))
    assert reader_features([str(tmp_path / "foreign")], []).names is None


def test_what_is_no_reader(place: Path, tmp_path: Path) -> None:
    for name in ("older than this", place / "r1", tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="neither a version of airpatch"):
            reader_features([str(name)], [])
    with pytest.raises(UsageError, match=r"99\.0: no version of airpatch that this one"):
        reader_features(["99.0"], [])
    (tmp_path / "request").write_bytes(inventories.emit(inventories.Request("r2", Digest.of(b"x"), {})))
    with pytest.raises(UsageError, match="a request"):
        reader_features([str(tmp_path / "request")], [])
    (tmp_path / "damaged").write_bytes((place / "older").read_bytes()[:-1])
    with pytest.raises(FormatError, match="damaged"):
        reader_features([str(tmp_path / "damaged")], [])


def test_features_are_counted_by_layer() -> None:
    one, other = Digest.of(b"1"), Digest.of(b"2")
    reader = ReaderFeatures(frozenset(), {one: {"view gzip", "encoder zlib-6"}, other: {"view gzip"}})
    (warning,) = reader_warnings(reader)
    assert "2 layers" in warning
    assert "encoder zlib-6 (1 layer), view gzip (2 layers)" in warning
    assert list(reader_warnings(ReaderFeatures(frozenset()))) == []
