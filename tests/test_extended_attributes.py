"""Extended attributes are those that Linux has for the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airpatch.extended_attributes import attribute, attribute_names, set_attribute


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


@pytest.mark.parametrize("value", [b"", b"weekly", bytes(range(256))])
def test_what_is_set_is_there_for_all(file: Path, value: bytes) -> None:
    with file.open("rb") as opened:
        set_attribute(opened.fileno(), "user.backup", b"something else")
        set_attribute(opened.fileno(), "user.backup", value)
        assert attribute(opened.fileno(), "user.backup") == value == os.getxattr(file, "user.backup")


def test_names_are_those_that_others_set(file: Path) -> None:
    for name in ("user.backup", "user.caf\u00e9"):
        os.setxattr(file, name, b"value")
    with file.open("rb") as opened:
        assert sorted(attribute_names(opened.fileno())) == sorted(os.listxattr(file))
        assert attribute(opened.fileno(), "user.caf\u00e9") == b"value"
        assert attribute(opened.fileno(), "user.another") is None


def test_errors_are_those_of_linux(file: Path) -> None:
    with file.open("rb") as opened:
        with pytest.raises(OSError, match="not supported"):
            set_attribute(opened.fileno(), "nobody.knows", b"")
        with pytest.raises(OSError, match="not supported"):
            attribute(opened.fileno(), "nobody.knows")
    with pytest.raises(OSError, match="Bad file descriptor"):
        attribute_names(-1)
