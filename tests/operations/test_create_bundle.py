"""Where a bundle goes is looked at before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch.errors import TargetError, UsageError
from tests.cli.support import IMAGES


@pytest.mark.parametrize("output", ["nowhere/x.tar.zst", "folder"])
def test_a_place_that_cannot_be_written_is_known_at_once(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("airpatch.operations.create_bundle.gather", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(TargetError):
        airpatch.create(IMAGES / "r1", tmp_path / output)
    with pytest.raises(TargetError):
        airpatch.diff(tmp_path / "base", IMAGES / "r1", tmp_path / output)


def test_a_key_that_cannot_sign_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.operations.create_bundle.gather", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(UsageError, match="cannot be read"):
        airpatch.create(IMAGES / "r1", tmp_path / "x.tar.zst", key=tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(airpatch.AirpatchError):
        airpatch.create(tmp_path / "no-images", tmp_path / "x.tar.zst")
    assert list(tmp_path.iterdir()) == []
