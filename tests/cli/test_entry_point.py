"""Ctrl-C while Python loads modules, and when all is done."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import IMAGES

INTERRUPTED_AT = """
import signal, sys
from airpatch_cli.entry_point import main
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == {name!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.modules.pop({name!r}, None)
sys.exit(main())
"""
"""A process to which Ctrl-C comes when the module `name` is loaded."""


def run(code: str, *words: object, ignored: bool = False) -> subprocess.CompletedProcess[str]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)  # inherited by the process
    try:
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["argparse", "airpatch_cli.main", "airpatch.errors", "airpatch_cli.run"])
def test_ctrl_c_while_modules_load_is_silent(name: str) -> None:
    ended = run(INTERRUPTED_AT.format(name=name), "inspect", "none")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("name", ["airpatch_cli.commands.create", "airpatch.operations.create_bundle"])
def test_ctrl_c_before_the_work_begins(name: str, tmp_path: Path) -> None:
    ended = run(INTERRUPTED_AT.format(name=name), "create", IMAGES / "r1", "-o", tmp_path / "bundle")
    assert (ended.returncode, ended.stderr) == (130, "airpatch: interrupted; nothing is half-done\n")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_that_the_caller_ignores() -> None:
    ended = run(INTERRUPTED_AT.format(name="airpatch_cli.run"), "inspect", "/nowhere", ignored=True)
    assert (ended.returncode, "No such file" in ended.stderr) == (2, True)


def test_ctrl_c_after_the_work_changes_nothing(tmp_path: Path) -> None:
    code = """
import signal, sys
from airpatch_cli.entry_point import main
code = main()
signal.raise_signal(signal.SIGINT)
sys.exit(code)
"""
    ended = run(code, "create", IMAGES / "r1", "--release", "1", "-o", tmp_path / "bundle", "-q")
    assert (ended.returncode, ended.stderr) == (0, "")
