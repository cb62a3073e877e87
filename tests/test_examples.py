"""The examples do what they say."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_patch_by_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["patch_by_api.py", str(tmp_path)])
    runpy.run_path(str(PROJECT / "examples/patch_by_api.py"))
    size = (tmp_path / "r1-r2.tar.zst").stat().st_size
    assert capsys.readouterr().out == f"{size} bytes make r2 of r1\n"
    assert size < (tmp_path / "r1.tar.zst").stat().st_size / 3
    assert files(tmp_path / "images") == files(PROJECT / "fixtures/images/r2")
