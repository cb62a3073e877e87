"""`explain` forecasts the patch that `diff` makes, whatever the base."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.model.manifest import MANIFEST_TYPES
from airpatch.units import megabytes
from tests.cli.support import IMAGES, airpatch


@pytest.fixture
def request_file(bundles: Path, tmp_path: Path) -> Path:
    """What an empty root lacks of release r2 but for what the patch brings."""
    assert airpatch("apply", bundles / "r1-r2.tar.zst", "--root", "empty", "--request", "missing").code == 5
    return tmp_path / "missing"


@pytest.mark.parametrize(
    "kind", ["bundle", "request", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("patch", "several"))]
)
def test_explain_forecasts_what_diff_makes(kind: str, bundles: Path, root: Path, request_file: Path) -> None:
    assert airpatch("inventory", root, "-o", "inventory").code == 0
    bases: dict[str, tuple[object, ...]] = {
        "bundle": (bundles / "r1.tar.zst",),
        "patch": (bundles / "r1-r2.tar.zst",),
        "request": (request_file,),
        "several": (root, "inventory"),
    }
    words = [word for base in bases[kind] for word in ("--base", base)]
    words += [IMAGES / "r2", "--sequence", 2, "--effort", "fast"]
    explained = airpatch("explain", *words, "--json")
    made = airpatch("diff", *words, "-o", "made", "--json")
    assert (explained.code, made.code) == (0, 0)
    assert explained.err == made.err
    assert ("is a patch for r1" in explained.err) == (kind == "patch")
    blobs = airpatch("inspect", "made", "--json").document["blobs"]
    assert isinstance(blobs, list)
    stored = [b["bytes"] for b in blobs if b["disposition"] == "stored" and b["media_type"] not in MANIFEST_TYPES]
    forecast = explained.document
    assert (forecast["whole_bytes"], forecast["patch_bytes"]) == (sum(stored), made.document["patch_bytes"])
    assert forecast["bytes"] == sum(stored) + made.document["patch_bytes"]
    costs = forecast["blobs"]
    assert isinstance(costs, list)
    assert {each["digest"] for each in costs if each["method"] is None} == {
        b["digest"] for b in blobs if b["disposition"] == "stored" and b["media_type"] not in MANIFEST_TYPES
    }
    assert {each["digest"] for each in costs if each["method"] is not None} == {
        b["digest"] for b in blobs if b["disposition"] == "patched"
    }


def test_a_request_is_answered_with_whole_blobs(request_file: Path) -> None:
    """A top-up must not need what it completes."""
    forecast = airpatch("explain", "--base", request_file, IMAGES / "r2", "--sequence", 2, "--json").document
    assert forecast["patch_bytes"] == 0
    assert isinstance(forecast["bytes"], int)
    assert forecast["bytes"] > 0


def test_it_says_why_a_layer_is_made_from_its_sources(bundles: Path) -> None:
    Path("web").write_text("registry.example:5000/shop/web:r2\n")
    words = ("explain", "--base", bundles / "r1.tar.zst", IMAGES / "r2", "--images-list", "web", "--effort", "fast")
    blobs = airpatch(*words, "--json").document["blobs"]
    assert isinstance(blobs, list)
    patched = [each for each in blobs if each["method"] is not None]
    assert patched
    for each in patched:
        assert [source["digest"] for source in each["chosen"]] == each["sources"]
        assert all(source["resembling_bytes"] > 0 for source in each["chosen"])
    lines = airpatch(*words).out
    made_from = [each["sources"][0][7:19] for each in patched if each["sources"]]
    assert made_from
    assert all(f"from {short}: samples suggest that it has about " in lines for short in made_from)


@pytest.mark.parametrize("top", [0, 1, 3, 100])
def test_top_bounds_all_that_is_listed_and_the_rest_is_summed_up(top: int, bundles: Path) -> None:
    words = ("explain", "--base", bundles / "r1.tar.zst", IMAGES / "r2", "--effort", "fast", "--top", top)
    document = airpatch(*words, "--json").document
    images, blobs = document["images"], document["blobs"]
    table, *rest = airpatch(*words).out.partition("IMAGE ")[2].split("\n\n")
    rows = table.splitlines()[1:]
    assert [row.split()[0] for row in rows[:top]] == [image["name"] for image in images[:top]]
    assert [row.split("  ")[0] for row in rows[top:]] == ([f"{len(images) - top} other images"] if top < 8 else [])
    assert [block.split()[0] for block in rest[:top]] == [blob["digest"][7:19] for blob in blobs[:top]]
    others = sum(blob["cost"] for blob in blobs[top:])
    left_out = f"{len(blobs) - top} other blobs of {megabytes(others)}\n"
    assert rest[top:] == ([left_out] if top < len(blobs) else [])
    for block, blob in zip(rest[:top], blobs, strict=False):
        assert block.count("\n  ") >= len(blob["files"]) <= top
