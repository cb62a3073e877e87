"""Splits a file into parts for media and mail gateways, and joins them again."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.byte_source import ByteSource, FileBytes
from airpatch.blobs.output import STDOUT, destination, write_error
from airpatch.blobs.room import room_at
from airpatch.errors import FormatError, IntegrityError, UsageError
from airpatch.execution import Execution
from airpatch.format import parts
from airpatch.format.parts import WholeFile
from airpatch.linux import is_file, is_folder, make_folders, missing_folders, remove_empty
from airpatch.operations.arguments import Paths, StrPath, at_least_one
from airpatch.parts.gathering import gather_parts
from airpatch.parts.in_turn import PartsInTurn
from airpatch.parts.joined import JoinedParts
from airpatch.parts.splitting import require_unchanged, write_parts

LEAST_PART = 64 << 10
"""Smallest size of parts, in bytes."""
_PIECE = 8 << 20


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A file in parts: what it is as a whole, and the `files` of its parts, the parity last."""

    whole: WholeFile
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class JoinedFile:
    """A file that was joined from its parts. `rebuilt` has the numbers of the parts that parity replaced."""

    output: str
    whole: WholeFile
    rebuilt: tuple[int, ...]


def split(
    file: StrPath, output: StrPath, *, size: int, parity: int = 0, execution: Execution | None = None
) -> SplitFile:
    """Split `file` into parts smaller than `size` bytes, each of which can be verified alone (spec/PARTS.md).

    They go to the folder `output`, which is created or must be empty. With `parity`, that many more parts are written,
    and as many may be lost or damaged on the way. All functions that take bundles take the parts directly.

    Raises UsageError if `file` is not a regular file or cannot be split like this, TargetError, SourceError if `file`
    changes meanwhile.
    """
    execution = execution or Execution()
    source, before = _open(Path(file))
    with closing(source):
        if size < LEAST_PART:
            raise UsageError(f"parts of {size} bytes are too small; take {LEAST_PART >> 10} KiB or more")
        whole = _plan(Path(file).name, source.size, size, parity)
        made = missing_folders(Path(output))
        folder = _empty_folder(Path(output))
        try:
            numbers = range(1, whole.parts + 1)
            needed = sum(parts.header_size(whole, number) + whole.payload(number) for number in numbers)
            room_at(folder).require(str(folder), needed, whole.parts)
            with execution.part(f"splitting {whole.name}", whole.size * (2 if parity else 1)) as part:
                complete, files = write_parts(source, whole, folder, part)
        except BaseException:
            remove_empty(made)
            raise
        require_unchanged(source, before, Path(file).stat())
    return SplitFile(complete, tuple(files))


def join(parts_: Paths, output: StrPath, *, execution: Execution | None = None) -> JoinedFile:
    """Join parts into the file, though some may be missing or damaged if there is parity.

    `parts_` are parts or folders of them, in any order; a part includes those beside it. `output` is a file, `-`
    standard output, or a folder, in which the file gets its own name. Where `execution` can ask somebody, a part that
    is not there is asked for when its turn comes, so that media may be changed in one drive.

    Raises UsageError if there are no parts or parts of several files, IntegrityError that names what is missing or
    damaged, TargetError.
    """
    execution = execution or Execution()
    given = at_least_one(parts_, "join")
    joined = gather_parts([Path(name) for name in given])
    if joined is None:
        if missing := [name for name in given if not os.path.lexists(name)]:
            raise UsageError(f"{', '.join(missing):.200}: no such file or folder")
        raise UsageError(f"{', '.join(given):.200}: no parts of a file that 'airpatch split' made")
    with closing(joined):
        if execution.ask is None:
            joined.require_complete()
        stream = PartsInTurn(joined, execution.ask or _nobody)
        name = _named(os.fspath(output), joined)
        with destination(name) as sink, execution.part(f"joining {joined.name}", joined.size) as part:
            if sink.is_file:
                room_at(sink.fd).require(sink.name, joined.size)
            sha256 = hashlib.sha256()
            buffer = memoryview(bytearray(_PIECE))
            while count := stream.readinto(buffer):
                sha256.update(buffer[:count])
                sink.write([buffer[:count]])
                part.advance(count)
            if sha256.digest() != joined.whole.digest.raw:
                raise IntegrityError(f"{joined.name}: the parts do not make the file that was split")
        return JoinedFile(name, joined.whole, joined.rebuilt)


def _nobody(_: str) -> bool:
    """Nobody brings what is missing."""
    return False


def _named(output: str, joined: JoinedParts) -> str:
    return str(Path(output) / joined.whole.name) if output != STDOUT and is_folder(Path(output)) else output


def _open(path: Path) -> tuple[ByteSource, os.stat_result]:
    """Return the regular file `path`, and its state."""
    try:
        if not is_file(path):
            raise UsageError(f"{path}: is not a file" if path.exists() else f"{path}: no such file")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return FileBytes(str(path), fd), os.fstat(fd)
    except OSError as error:
        raise UsageError(f"{path}: cannot be opened: {error.strerror}") from None


def _plan(name: str, size: int, limit: int, parity: int) -> WholeFile:
    try:
        whole = parts.plan_parts(name, size, limit, parity)
    except FormatError as error:
        raise UsageError(f"{name}: {error.message}") from None
    longest = max(whole.part_name(1), whole.part_name(whole.parts), key=len)
    if not parts.is_file_name(name) or not parts.is_file_name(f".{longest}.partial"):
        raise UsageError(
            f"{name}: the name is too long or not printable, and parts are named after it; rename the file"
        )
    return whole


def _empty_folder(path: Path) -> Path:
    """Create the folder `path`, which is to hold only the parts."""
    try:
        make_folders(path)
        there = [name for name in os.listdir(path) if not name.endswith(".partial")]
    except OSError as error:
        raise write_error(str(path), error) from None
    if there:
        raise UsageError(f"{path}: is not empty; the parts need a folder of their own")
    return path
