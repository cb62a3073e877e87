"""Scripts of real commands and their output, in `scripts/`."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import IMAGES, PROJECT, Outcome, airpatch, environment, matches, parse_script

PROGRESS = re.compile(r"airpatch: .* MB/s\n")
"""What processes on a busy machine may write, too."""
_SLOW = ("layers", "media", "root-as-store", "signatures")
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in _SLOW else [], id=path.stem) for path in SCRIPTS],
)
def test_script(path: Path, tmp_path: Path, bundles: Path) -> None:
    _prepare(tmp_path, bundles)
    for step in parse_script(path.read_text()):
        outcome = _run(step.command, tmp_path)
        where = f"{path.name}:{step.line}: {step.command}\n{outcome.out}{outcome.err}"
        assert outcome.code == step.code, where
        assert matches(step.out, outcome.out), where
        assert matches(step.err, outcome.err), where


def _prepare(folder: Path, bundles: Path) -> None:
    """What scripts find: the images and bundles of both releases, and `airpatch` for shells."""
    for name in ("r1", "r2"):
        (folder / name).symlink_to(IMAGES / name)
    for bundle in bundles.iterdir():
        (folder / bundle.name).symlink_to(bundle)
    command = folder / ".bin" / "airpatch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m airpatch "$@"\n')
    command.chmod(0o755)


def _run(command: str, folder: Path) -> Outcome:
    """Run a line: airpatch alone in this process, anything else in a shell."""
    words = shlex.split(command)
    if words[0] == "airpatch" and not re.search(r"[|<>&;$*]", command):
        return airpatch(*words[1:])
    variables = environment()
    variables["PATH"] = f"{folder / '.bin'}:{variables['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return Outcome(done.returncode, done.stdout, PROGRESS.sub("", done.stderr))


def test_every_command_has_a_script() -> None:
    """One that runs it: what scripts expect to be printed does not count."""
    lines = [step.command for path in SCRIPTS for step in parse_script(path.read_text())]
    commands = {path.stem for path in (PROJECT / "cli" / "airpatch_cli" / "commands").glob("[!_]*.py")}
    run = {name for line in lines for name in re.findall(r"\bairpatch ([a-z]+)", line)}
    run |= {f"store_{name}" for line in lines for name in re.findall(r"\bairpatch store ([a-z]+)", line)}
    assert commands <= run


def test_matching_can_fail() -> None:
    assert matches(["a...c", "..."], "abc\nx\ny\n")
    assert not matches(["a...c"], "abc\nx\n")
    assert not matches([], "x\n")
