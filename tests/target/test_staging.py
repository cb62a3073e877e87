"""Files in staging: what goes wrong with them is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from airpatch.errors import TargetError
from airpatch.target.staging import _StagedFile


def test_adversary_47_an_error_from_close_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system may tell only then that bytes did not arrive."""
    fd = os.open(tmp_path / "blob", os.O_CREAT | os.O_WRONLY)
    closed: list[_StagedFile] = []
    file = _StagedFile(fd, "blob", "the blob", closed.append)
    file.write(memoryview(b"x"))

    def close(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("airpatch.target.staging.os.close", close)
        with pytest.raises(TargetError, match=r"the blob: .*Input/output error"):
            file.complete()
    assert closed == [file]
    os.close(fd)
