"""Bundles opened by the names that a command line gives: files, pipes, parts of a file, copies with their top-ups."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from airpatch.archive.frame_reader import FileFrameReader, FrameReader, InterruptiblePipe, PipeFrameReader
from airpatch.blobs.byte_source import FileBytes
from airpatch.errors import FormatError, UsageError, unreadable
from airpatch.format import magics, zstd
from airpatch.format.registry import STORAGE
from airpatch.linux import begins_with, is_file, is_folder, is_pipe

if TYPE_CHECKING:
    from airpatch.archive.topped_up import ToppedUp
    from airpatch.parts.in_turn import Ask
    from airpatch.parts.joined import JoinedParts

STDIN = "-"


def open_frames(name: str, ask: Ask | None = None, *, hashed: bool = False) -> FrameReader:
    """Open the bundle in the file `name`, or of which `name` is a part or a folder of parts; `-` is standard input.

    `hashed` also has all its bytes hashed. Raises UsageError if there is none, FormatError, IntegrityError if parts are
    missing and there is nobody to `ask`.
    """
    if name != STDIN and holds_parts(Path(name)):
        from airpatch.parts.gathering import gather_parts  # what joins parts is loaded only for them

        joined = gather_parts([Path(name)])
        if joined is not None:
            return joined_frames(joined, ask, hashed=hashed)
    try:
        fd = os.dup(0) if name == STDIN else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        mode = os.fstat(fd).st_mode
    except OSError as error:
        store, _, _ = name.rpartition("#")
        if store and is_folder(Path(store)):
            raise UsageError(
                f"{name}: no such file; where {store} is a store of releases, pack this one first with "
                f"'airpatch create {name} -o BUNDLE'"
            ) from None
        raise unreadable(name, error) from None
    if name == STDIN:
        name = "standard input"
    if stat.S_ISREG(mode):
        return FileFrameReader(FileBytes(name, fd), hashed=hashed)
    if stat.S_ISDIR(mode):
        os.close(fd)
        if is_folder(Path(name, STORAGE)):
            raise UsageError(
                f"{name}: is a registry's root, where a bundle is expected; 'apply' takes it as --root {name}"
            )
        raise UsageError(
            f"{name}: is a folder without parts of a bundle; where images are in it, pack them first with "
            f"'airpatch create {name} -o BUNDLE'"
        )
    return PipeFrameReader(name, InterruptiblePipe.opened(fd), hashed=hashed)


def open_file_frames(name: str) -> FileFrameReader:
    """As `open_frames`, of a bundle that can be read at any offset. Raises UsageError for a pipe or a device."""
    if name != STDIN and is_pipe(Path(name)):  # opening one waits for a writer
        raise _no_file(name)
    reader = open_frames(name)
    if not isinstance(reader, FileFrameReader):
        reader.close()
        raise _no_file(reader.name)
    return reader


def holds_parts(path: Path) -> bool:
    """Return whether `path` is a part of a file, or a folder of parts. False, too, where it cannot be read."""
    if not is_folder(path):
        return begins_with(path, magics.PART)
    with suppress(OSError):
        return any(begins_with(path / name, magics.PART) for name in os.listdir(path))
    return False


def _no_file(name: str) -> UsageError:
    return UsageError(f"{name}: is a pipe or a device; this needs a bundle in a file")


def open_bundles(names: Sequence[str], ask: Ask | None = None, *, hashed: bool = False) -> Iterator[FrameReader]:
    """As `open_frames`, of several bundles; all parts of one stand for it, in whatever order they are named.
    So do a damaged copy and its top-up. Raises UsageError, too, for a top-up without its copy.
    """
    return _open_each(names, ask, hashed, lambda name: open_frames(name, ask, hashed=hashed))


def open_bundle_files(names: Sequence[str]) -> Iterator[FileFrameReader]:
    """As `open_bundles`, of bundles that can be read at any offset. Raises UsageError for a pipe or a device."""
    readers = _open_each(names, None, False, open_file_frames)
    return cast(Iterator[FileFrameReader], readers)  # so are parts for which nobody is asked


def _open_each(
    names: Sequence[str], ask: Ask | None, hashed: bool, open_one: Callable[[str], FrameReader]
) -> Iterator[FrameReader]:
    completed: dict[str, ToppedUp] = {}
    top_ups = [name for name in names if name != STDIN and begins_with(Path(name), magics.TOP_UP)]
    bundles = [name for name in names if name not in top_ups]
    grouped: list[str | JoinedParts] = [*bundles]
    with ExitStack() as stack:
        for name in top_ups:
            from airpatch.archive.topped_up import complete  # few bundles come damaged

            files = [Path(each) for each in bundles if each not in completed and is_file(Path(each))]
            path, whole = complete(Path(name), files)
            stack.callback(whole.close)
            completed[next(each for each in bundles if Path(each) == path)] = whole
        if any(name != STDIN and holds_parts(Path(name)) for name in bundles):
            from airpatch.parts.gathering import group_parts

            grouped = group_parts(bundles)
        for each in grouped:
            if not isinstance(each, str):
                yield joined_frames(each, ask, hashed=hashed)
            elif each in completed:
                yield FileFrameReader(completed[each], hashed=hashed)
            else:
                yield open_one(each)
        stack.pop_all()


def named_once(names: Sequence[str]) -> list[str]:
    """`names`, of whatever kind, without those that were named before, and without the parts for which another that
    was named before stands: those beside it.
    """
    different = list(dict.fromkeys(names))
    if not any(begins_with(Path(name), magics.PART) for name in different):
        return different
    from airpatch.parts.gathering import drop_repeated

    return drop_repeated(different)


def joined_frames(joined: JoinedParts, ask: Ask | None, *, hashed: bool = False) -> FrameReader:
    """Return the bundle from its parts: with random access, or one part after another if `ask` has to bring some."""
    if joined.is_complete or ask is None:
        joined.require_complete()
        return FileFrameReader(joined, hashed=hashed)
    from airpatch.parts.in_turn import PartsInTurn

    return PipeFrameReader(joined.name, PartsInTurn(joined, ask), hashed=hashed)


def is_bundle(path: Path) -> bool:
    """Return whether the file looks like a bundle: it ends in a seek table. A part stands for all, and so does a folder
    of parts, unless it is a registry's root.
    """
    if holds_parts(path):
        return not is_folder(path / STORAGE)
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            file.seek(-zstd.FOOTER, os.SEEK_END)
            zstd.seek_table_length(file.read())
    except (OSError, FormatError):
        return False
    return True
