"""The report of a real patch: its bytes are those of the file that `diff` writes, and its document is the page's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import airpatch
from tests.cli.support import IMAGES, validator
from tests.support import execution


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[airpatch.Explanation, int, bytes]:
    """What explain says of the sample images, the size of the patch, and the page."""
    folder = tmp_path_factory.mktemp("report")
    airpatch.create(IMAGES / "r1", folder / "r1", sequence=1, execution=execution())
    words = (folder / "r1", IMAGES / "r2")
    found = airpatch.explain(*words, effort="fast", html=folder / "page.html", execution=execution())
    written = airpatch.diff(*words, folder / "patch", effort="fast", execution=execution())
    return found, written.size, (folder / "page.html").read_bytes()


def leaves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for child in node["children"]:
        yield from leaves(child)
    if not node["children"]:
        yield node


def test_the_parts_are_the_patch_to_the_byte(made: tuple[airpatch.Explanation, int, bytes]) -> None:
    found, size, _ = made
    assert found.report.size == size
    document = found.document
    assert document["size_bytes"] == size
    tree = document["tree"]
    assert isinstance(tree, dict)
    assert sum(leaf["bytes"] for leaf in leaves(tree)) == size
    assert {leaf["kind"] for leaf in leaves(tree)} >= {"file", "layer itself", "config", "manifest", "index", "frames"}


def test_the_page_has_what_json_has(made: tuple[airpatch.Explanation, int, bytes]) -> None:
    found, _, page = made
    data = re.search(rb'id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    shown = json.loads(data[1])
    assert shown == {"title": "Patch from r1 to r2", "report": found.document}
    validator("patch_report").validate(shown["report"])


def test_what_changed_and_why(made: tuple[airpatch.Explanation, int, bytes]) -> None:
    found, _, _ = made
    report = found.report
    assert report.compared_with == "r1"
    versions = {(package.name, package.before, package.after) for image in report.changed for package in image.packages}
    assert {("tabulate", None, "0.9.0"), ("wrapt", "1.15.0", "1.16.0"), ("idna", "3.6", "3.7")} <= versions
    assert list(map(str, report.removed)) == ["tools/packaging:r1"]
    assert len(report.causes) == 10
    assert " of this patch is tabulate (pip) in shop/report:r2, which is new: 0.9.0" in report.causes[0].text
    assert {each.encoders[:1] for each in report.encodings.values()} >= {("zlib-6",), ()}


def test_without_images_of_a_base_nothing_is_compared(tmp_path: Path) -> None:
    airpatch.create(IMAGES / "r1", tmp_path / "r1", sequence=1, execution=execution())
    airpatch.apply(tmp_path / "r1", tmp_path / "root", execution=execution())
    airpatch.inventory(tmp_path / "root", tmp_path / "host")
    (tmp_path / "web").write_text("registry.example:5000/shop/web:r2\n")
    words, web = (tmp_path / "host", IMAGES / "r2"), tmp_path / "web"
    found = airpatch.explain(*words, images_list=web, execution=execution())
    written = airpatch.diff(*words, tmp_path / "patch", images_list=web, execution=execution())
    assert (found.report.size, found.report.compared_with) == (written.size, None)
    assert all(each.before is None for each in found.report.changed)
