"""Arguments as operations take them: paths, and names of choices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar

from airpatch.blobs.output import STDOUT
from airpatch.blobs.scratch import with_scratch
from airpatch.delta.effort import Effort
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format import magics
from airpatch.linux import begins_with, is_file, nearest_folder, real_path

StrPath = str | os.PathLike[str]
Paths = StrPath | Sequence[StrPath]
_Choice = TypeVar("_Choice", bound=Enum)


def names(paths: Paths) -> list[str]:
    """Return one or several paths as text, since `Path` would lose a prefix or `-`."""
    every = [paths] if isinstance(paths, str | os.PathLike) else paths
    return [os.fspath(path) for path in every]


def at_least_one(paths: Paths, doing: str) -> list[str]:
    """Return one or several paths as text. Raises UsageError if there is none to do that with."""
    every = names(paths)
    if not every:
        raise UsageError(f"nothing to {doing}: name a file")
    return every


def check_apart(output: StrPath, *inputs: Paths | None) -> None:
    """Raise UsageError if the file `output` is one of `inputs`, which may have a prefix, or a part of a file that is
    there named by its folder or another part: it would be replaced.
    """
    if os.fspath(output) == STDOUT:
        return
    folder = real_path(Path(output)).parent if begins_with(Path(output), magics.PART) else None
    for name in (name for paths in inputs if paths is not None for name in names(paths)):
        for path in (Path(each) for each in (name, name.partition(":")[2]) if each):
            with suppress(OSError):
                if folder == (real_path(path).parent if begins_with(path, magics.PART) else real_path(path)):
                    raise UsageError(f"{output}: belongs to the input {name}, which would be lost: name another file")
                if is_file(path) and path.samefile(output):
                    raise UsageError(f"{output}: is the input {name}, which would be lost: name another file")


def beside(execution: Execution | None, output: StrPath) -> Execution:
    """Work with scratch files beside the file `output`; in the current folder if that is a pipe."""
    name = os.fspath(output)
    return with_scratch(execution or Execution(), Path.cwd() if name == STDOUT else real_path(Path(name)).parent)


def within(execution: Execution | None, folder: StrPath) -> Execution:
    """Work with scratch files in `folder`, or if it does not exist yet, in the nearest folder above it that does."""
    return with_scratch(execution or Execution(), nearest_folder(real_path(Path(folder))))


def choice(kind: type[_Choice], value: str, what: str, others: Iterable[str] = ()) -> _Choice:
    """Return the member of `kind` with that value. Raises UsageError if there is none; it names `others` as choices,
    too.
    """
    try:
        return kind(value)
    except ValueError:
        raise _unknown(what, value, [*(str(member.value) for member in kind), *others]) from None


def effort_of(name: str) -> Effort:
    """Return the effort of that name. Raises UsageError if there is none."""
    try:
        return Effort[name.upper()]
    except KeyError:
        raise _unknown("effort", name, (effort.name.lower() for effort in Effort)) from None


def _unknown(what: str, value: str, choices: Iterable[str]) -> UsageError:
    return UsageError(f"unknown {what} {value!r:.30}; choose one of {', '.join(choices)}")
