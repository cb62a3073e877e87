"""A library that is not installed is named with the extra that brings it; a broken one is not taken for missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.extras import require_extra


def test_a_library_that_is_there() -> None:
    assert require_extra("registry", "json") is json


def test_one_that_is_not() -> None:
    with pytest.raises(UsageError, match=r"needs no_such\.module, .*: pip install 'airpatch\[parity\]'$"):
        require_extra("parity", "no_such.module")


def test_one_that_lacks_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("import no_such_dependency\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require_extra("parity", "broken_library")
