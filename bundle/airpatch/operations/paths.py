"""Paths as operations take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from airpatch.archive.pack import STDOUT
from airpatch.blobs.scratch import with_scratch
from airpatch.execution import Execution

StrPath = str | os.PathLike[str]
Paths = StrPath | Sequence[StrPath]


def names(paths: Paths) -> list[str]:
    """One path or several, as text: a prefix or `-` would be lost on `Path`."""
    every = [paths] if isinstance(paths, str | os.PathLike) else paths
    return [os.fspath(path) for path in every]


def beside(execution: Execution | None, output: StrPath) -> Execution:
    """Work with scratch files beside the file `output`; in the current folder if that is a pipe."""
    name = os.fspath(output)
    return with_scratch(execution or Execution(), Path.cwd() if name == STDOUT else Path(name).resolve().parent)


def within(execution: Execution | None, folder: StrPath) -> Execution:
    """Work with scratch files in `folder`, which need not exist yet: then as near to it as there is a folder."""
    path = Path(folder).resolve()
    return with_scratch(execution or Execution(), next(each for each in (path, *path.parents) if each.is_dir()))
