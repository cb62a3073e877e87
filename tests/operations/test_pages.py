"""A page replaces none of the files that the operation reads or writes, and is there only if it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import TargetError, UsageError
from airpatch.operations.pages import page_file


def test_a_page_is_written_when_all_is_well(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with page_file(page, "other") as sink:
        assert sink is not None
        sink.write([b"page"])
        assert not page.exists()
    assert page.read_bytes() == b"page"


def test_no_page_is_wanted() -> None:
    with page_file(None, "other") as sink:
        assert sink is None


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), page_file(tmp_path / "page.html"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "link", "later", "bundle:file"])
def test_a_page_replaces_no_other_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("link").symlink_to("file")
    page = name if name == "later" else "file"
    with pytest.raises(UsageError, match="name another file"), page_file(page, ["none", name], None):
        pytest.fail("the page was opened")
    assert Path("file").read_text() == "kept"


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(TargetError), page_file(tmp_path / "none" / "page.html"):
        pytest.fail("the page was opened")
