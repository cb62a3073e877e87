"""The executables of a release of airpatch: found, verified by the release's sums, copied beside a bundle."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.output import output_file
from airpatch.errors import IntegrityError, UsageError
from airpatch.format.index import Index
from airpatch.linux import is_file
from airpatch.tool.site_instructions import instructions

README = "README.txt"
_SUMS = "SHA256SUMS"
_NAME = re.compile(r"airpatch-linux-\w+")
_PIECE = 8 << 20


@dataclass(frozen=True, slots=True)
class Executable:
    """An executable in a file, and the sha256 of it in hexadecimal."""

    path: Path
    name: str
    sha256: str


def own_executable() -> list[Executable]:
    """Return the executable that is running. Raises UsageError if Python runs from somewhere else."""
    path = os.environ.get("AIRPATCH_EXECUTABLE")
    if not getattr(sys, "frozen", False) or path is None:
        raise UsageError(
            "--with-tool without a folder takes the running executable, but this is an installed package: name the "
            "folder of a release with --with-tool FOLDER"
        )
    return [Executable(Path(path), f"airpatch-linux-{platform.machine()}", _sha256(Path(path)))]


def executables_of(folder: Path) -> list[Executable]:
    """Return the executables in the folder of a release, which have the sums that the release says.

    Raises UsageError if there are none, IntegrityError if one has another sum.
    """
    try:
        lines = [line.split(maxsplit=1) for line in (folder / _SUMS).read_text().splitlines() if line]
        sums = {name: sha256 for sha256, name in lines}
    except (OSError, ValueError):
        raise UsageError(f"{folder}: is not the folder of a release of airpatch (which holds {_SUMS})") from None
    names = sorted(name for name in sums if _NAME.fullmatch(name) and is_file(folder / name))
    if not names:
        raise UsageError(f"{folder}: holds no airpatch-linux-x86_64, or {_SUMS} does not list it")
    found = [Executable(folder / name, name, _sha256(folder / name)) for name in names]
    for each in found:
        if each.sha256 != sums[each.name]:
            raise IntegrityError(f"{each.path}: does not have the sha256 of {folder / _SUMS}; get the release again")
    return found


def put_beside(bundle: Path, index: Index, executables: Sequence[Executable], *, is_signed: bool) -> Iterator[str]:
    """Copy `executables` and instructions beside `bundle`; yields what there is to remark. Raises TargetError."""
    for each in executables:
        target = bundle.parent / each.name
        if not (target.exists() and _sha256(target) == each.sha256):
            with each.path.open("rb") as file, output_file(target) as sink:
                while piece := file.read(_PIECE):
                    sink.write([piece])
        with suppress(OSError):  # FAT has no such right, and mounts with it for all files
            target.chmod(0o755)
    readme = bundle.parent / README
    if os.path.lexists(readme):
        yield f"{readme}: exists already and was left unchanged; remove it first to get one about this release"
        return
    sums = {each.name: each.sha256 for each in executables}
    with output_file(readme) as sink:
        sink.write([instructions(bundle.name, index, sums, is_signed=is_signed).encode()])


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
