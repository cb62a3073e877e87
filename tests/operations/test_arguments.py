"""What operations take: one path or several, names of efforts and forms, and where scratch files lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import airpatch
from airpatch.delta.effort import Effort
from airpatch.destinations.restorer import Form
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.operations.arguments import beside, check_apart, choice, effort_of, names, within


def folder_of(execution: Execution) -> Path:
    """The folder in which the execution makes a scratch file."""
    fd = execution.scratch()
    try:
        return Path(f"/proc/self/fd/{fd}").readlink().parent
    finally:
        os.close(fd)


def test_one_path_does_where_several_are_taken() -> None:
    assert names("oci:layout") == ["oci:layout"]
    assert names(Path("a")) == ["a"]
    assert names(["a", Path("b"), "-"]) == ["a", "b", "-"]


def test_scratch_files_lie_beside_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_of(beside(None, tmp_path / "out" / "x.tar.zst")) == tmp_path / "out"
    assert folder_of(beside(None, "-")) == tmp_path


def test_scratch_files_lie_in_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert folder_of(within(None, tmp_path / "a" / "b")) == tmp_path


def test_a_caller_who_says_where_is_heeded(tmp_path: Path) -> None:
    execution = Execution(scratch=lambda: os.memfd_create("mine"))
    assert beside(execution, tmp_path / "x").scratch is execution.scratch


def test_unknown_names_are_told_with_the_known_ones() -> None:
    assert effort_of("best") is Effort.BEST
    assert choice(Form, "oci", "form") is Form.OCI
    with pytest.raises(UsageError, match=r"unknown effort 'much'; choose one of fast, default, best"):
        effort_of("much")
    with pytest.raises(UsageError, match=r"unknown form 'zip'; choose one of dir, oci, oci-archive"):
        choice(Form, "zip", "form", ["oci-archive"])


@pytest.mark.parametrize("spelled", ["in", "./in", "folder/../in", "link", "bundle:in"])
def test_an_output_is_no_input(spelled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").touch()
    Path("folder").mkdir()
    Path("link").symlink_to("in")
    with pytest.raises(UsageError, match=f"^in: is the input {spelled}, which would be lost"):
        check_apart("in", ["-", "folder"], None, spelled)
    check_apart("out", spelled)
    check_apart("-", "-", spelled)


@pytest.mark.parametrize(
    ("doing", "call"),
    [
        ("verify", lambda _: airpatch.verify([])),
        ("apply", lambda folder: airpatch.apply([], folder / "root")),
        ("merge", lambda folder: airpatch.merge([], folder / "out")),
        ("join", lambda folder: airpatch.join([], folder / "out")),
    ],
)
def test_nothing_is_not_enough(doing: str, call: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"nothing to {doing}"):
        call(tmp_path)
