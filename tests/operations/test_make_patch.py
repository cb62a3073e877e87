"""How a patch is named, and what airpatch warns about before anybody carries it to a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.errors import UsageError
from tests.cli.support import IMAGES


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles of two releases, numbered and not, and an inventory of a root that has the first."""
    folder = tmp_path_factory.mktemp("bases")
    for number, name in [(4, "r1"), (5, "r2")]:
        airpatch.create(IMAGES / name, folder / name, release=name, sequence=number)
    airpatch.create(IMAGES / "r1", folder / "unnumbered", release="r1")
    airpatch.apply(folder / "r1", folder / "root")
    airpatch.inventory(folder / "root", folder / "inventory")
    (folder / "web").write_text("registry.example:5000/shop/web:r2\n")
    return folder


def made(place: Path, tmp_path: Path, *bases: str, source: str = "r2", **options: Any) -> airpatch.WrittenBundle:
    return airpatch.diff(
        [place / base for base in bases],
        IMAGES / source,
        tmp_path / "patch",
        **{"release": "next", "layer_patches": False, "effort": "fast", **options},
    )


def made_of_web(place: Path, tmp_path: Path, *bases: str, **options: Any) -> airpatch.WrittenBundle:
    """The same of one image, with layer patches."""
    return made(place, tmp_path, *bases, images_list=place / "web", layer_patches=True, **options)


def sources_of(patch: airpatch.WrittenBundle) -> set[airpatch.Digest]:
    """The blobs of a target that layer patches build upon."""
    return {source.digest for source in patch.index.sources} - {blob.digest for blob in patch.index.stored}


@pytest.mark.parametrize(
    ("bases", "number"),
    [
        (["r1"], 5),
        (["root"], 5),
        (["inventory"], 5),
        (["r1", "r2"], 6),
        (["unnumbered"], 0),
        (["unnumbered", "r2"], 0),
    ],
)
def test_the_number_is_one_more_than_the_highest_of_the_bases(
    bases: list[str], number: int, place: Path, tmp_path: Path
) -> None:
    assert made(place, tmp_path, *bases).index.release.sequence == number
    assert made(place, tmp_path, *bases, sequence=99).index.release.sequence == 99


def test_a_top_up_has_the_number_of_the_release_that_is_asked_for(place: Path, tmp_path: Path) -> None:
    patch = made(place, tmp_path, "r1", release="r2")
    with pytest.raises(airpatch.BaseMismatch):
        airpatch.apply(patch.output, tmp_path / "empty", request=tmp_path / "request")
    top_up = airpatch.diff(tmp_path / "request", IMAGES / "r2", tmp_path / "top-up", release="r2")
    assert top_up.index.release_id == patch.index.release_id


@pytest.mark.parametrize(
    ("base", "source", "sequence", "warning"),
    [
        ("r2", "r1", 4, "hosts that have it need --allow-downgrade. Are base and sources the right way round?"),
        ("r1", "r2", 4, "has number 4, as the base r1 has"),
        ("r2", "r2", 5, None),
        ("unnumbered", "r2", 0, None),
        ("r1", "r2", None, None),
    ],
)
def test_bases_that_are_not_older_are_told(
    base: str, source: str, sequence: int | None, warning: str | None, place: Path, tmp_path: Path
) -> None:
    warnings = made(place, tmp_path, base, source=source, sequence=sequence).warnings
    assert any(warning in text for text in warnings) if warning else not any("number" in text for text in warnings)


def test_two_releases_of_one_name_are_told(place: Path, tmp_path: Path) -> None:
    warnings = made(place, tmp_path, "unnumbered", release="r1").warnings
    assert any("also has a release named r1;" in text for text in warnings)


def test_an_inventory_is_completed_by_content(place: Path, tmp_path: Path) -> None:
    """A base that holds nothing gets no differences, and says so; content makes the patch that the bundle makes."""
    whole = made_of_web(place, tmp_path, "inventory")
    assert any("Name the bundles or the root that have them with --content" in text for text in whole.warnings)
    assert not sources_of(whole)
    by_bundle = sources_of(made_of_web(place, tmp_path, "r1"))
    for content in ("root", "r1"):
        small = made_of_web(place, tmp_path, "inventory", content=place / content)
        assert not any("--content" in text for text in small.warnings)
        assert small.size < whole.size
        assert sources_of(small) == by_bundle != set()
    root = tmp_path / "root"
    airpatch.apply([place / "r1"], root)
    assert airpatch.apply(tmp_path / "patch", root).applied[0].index.release.name == "next"


def test_content_is_no_base(place: Path, tmp_path: Path) -> None:
    """What only the content has is not taken for granted on the target."""
    patch = made_of_web(place, tmp_path, "r1", content=place / "r2")
    base = {blob.digest for blob in airpatch.open_bundle(place / "r1").index.release.blobs}
    assert {blob.digest for blob in patch.index.left_out} <= base
    assert sources_of(patch) <= base


def test_what_holds_no_blobs_is_no_content(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no blobs"):
        made_of_web(place, tmp_path, "r1", content=place / "inventory")


def test_several_bases_that_differ_are_told_with_what_each_costs(place: Path, tmp_path: Path) -> None:
    warnings = made_of_web(place, tmp_path, "r1", "r2").warnings
    assert any("kB for r1, 0 B for r2" in text and "chain" in text for text in warnings)


def test_a_guessed_name_is_told(place: Path, tmp_path: Path) -> None:
    warnings = made(place, tmp_path, "r1", release=None).warnings
    assert "the release is named r2, after the tag of 7 of 8 images" in warnings


def test_costs_add_up(place: Path, tmp_path: Path) -> None:
    patch = made_of_web(place, tmp_path, "r1")
    costs, index = patch.costs, patch.index
    assert costs.whole == sum(blob.size for blob in (*index.stored, *index.patched))
    assert costs.total == sum(blob.size for blob in index.stored) + sum(
        step.patch_size for step in index.steps if step.digest in {blob.digest for blob in index.patched}
    )
    assert sum(size for _, size in costs.images) == costs.total


def test_a_patch_as_a_base_says_that_it_lacks_what_the_layers_resemble(place: Path, tmp_path: Path) -> None:
    patch = place / "patch-r2"
    airpatch.diff([place / "r1"], IMAGES / "r2", patch, release="r2", sequence=5, images_list=place / "web")
    (tmp_path / "list").write_text("registry.example:5000/shop/web:r1\n")
    options: dict[str, Any] = {"source": "r1", "sequence": 6, "images_list": tmp_path / "list", "layer_patches": True}
    warnings = made(place, tmp_path, "patch-r2", **options).warnings
    assert any("is a patch, which holds only what its own base lacks, and" in text for text in warnings)
    warnings = made(place, tmp_path, "patch-r2", content=place / "r2", **options).warnings
    assert not any("--content" in text for text in warnings)


@pytest.mark.parametrize("base", ["r1", "root"])
def test_a_patch_to_the_release_of_its_base_is_told(place: Path, tmp_path: Path, base: str) -> None:
    warnings = made(place, tmp_path, base, source="r1", release="r1", sequence=4).warnings
    assert f"{place / base} has this very release, r1: the patch changes nothing there" in warnings
