"""An earlier commit of the project, built beside this one, as the yardstick for speed."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.run import PROJECT, PYTHON, Command, airpatch, found_in

COMMIT = "e486880"


def earlier_tree() -> Path:
    """Return the folder `build/e486880` with that commit, compiled; make it if it is missing, which takes minutes.

    Raises subprocess.CalledProcessError if this is no clone of the repository, or a shallow one without that commit.
    """
    tree = PROJECT / "build" / COMMIT
    if not tree.exists():
        being_built = tree.with_suffix(f".{os.getpid()}")
        being_built.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", COMMIT], cwd=PROJECT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", being_built], input=archive, check=True)
        words = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        subprocess.run(words, cwd=being_built, env=os.environ | found_in(being_built), check=True)
        for package in ("bundle", "cli"):
            compileall.compile_dir(being_built / package, quiet=1)
        being_built.rename(tree)
    return tree


def earlier(tree: Path, name: str, *words: str | Path, prepare: Callable[[], None] = lambda: None) -> Command:
    """The command line `words` as that commit, in `tree`, runs it."""
    return Command(name, [*PYTHON, "-m", "cli.main", *map(str, words)], prepare, found_in(tree))


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared, with its files in `folder`: airpatch, or the commit that is in `built`."""

    folder: Path
    built: Path | None = None

    def command(self, *words: str | Path, prepare: Callable[[], None] = lambda: None) -> Command:
        if self.built:
            return earlier(self.built, f"{words[0]} of {COMMIT}", *words, prepare=prepare)
        return airpatch(f"airpatch {words[0]}", *words, prepare=prepare)
