"""Which files the names of parts and of their folders stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airpatch.errors import IntegrityError, UsageError
from airpatch.format.parts import WholeFile
from airpatch.linux import is_folder
from airpatch.parts.joined import JoinedParts
from airpatch.parts.part_files import FoundParts, begins_as_part, find_parts


def gather_parts(paths: Sequence[Path]) -> JoinedParts | None:
    """Return the file of which `paths` are parts or folders of parts; None if none of them is either.

    Each part stands for those beside it, too. Raises UsageError if they are of several files, IntegrityError if all
    headers are damaged, TargetError.
    """
    meant = [path for path in paths if is_folder(path) or begins_as_part(path)]
    folders = list(dict.fromkeys(path if is_folder(path) else path.parent for path in meant))
    named = FoundParts()
    for path in meant:
        named.add(path)
    around = find_parts(folders)
    if not around.parts and not around.spoiled:
        return None
    wholes = _wholes(named if named.parts else around)
    if not wholes:
        raise IntegrityError(
            f"{paths[0]}: the headers of all parts are damaged; copy the parts again",
            [f"{path}: {why}" for path, why in around.spoiled.items()],
        )
    if len(wholes) > 1:
        raise UsageError(
            f"{paths[0]}: holds parts of several files; name a part of the one you mean", [w.name for w in wholes]
        )
    return JoinedParts(wholes[0], around, folders)


def group_parts(names: Sequence[str]) -> list[str | JoinedParts]:
    """`names` with all parts of one file in place of the first of them, in whatever order they are."""
    grouped: list[str | JoinedParts | WholeFile] = []
    paths: dict[WholeFile, list[Path]] = {}
    for name in names:
        whole = _whole_of(Path(name))
        if whole is None:
            grouped.append(name)
            continue
        if whole not in paths:
            grouped.append(whole)
        paths.setdefault(whole, []).append(Path(name))
    result: list[str | JoinedParts] = []
    spoiled = {name for name in names if begins_as_part(Path(name))}
    for each in grouped:
        if isinstance(each, WholeFile):
            joined = gather_parts(paths[each])
            if joined is not None:
                result.append(joined)
        elif each not in spoiled or not paths:
            result.append(each)
    return result


def drop_repeated(names: Sequence[str]) -> list[str]:
    """`names` without the parts beside which another part of the same file lies that was named before."""
    kept: list[str] = []
    known: set[tuple[WholeFile, Path]] = set()
    for name in names:
        path = Path(name)
        whole = _whole_of(path) if begins_as_part(path) else None
        if whole is None:
            kept.append(name)
        elif (place := (whole, path.absolute().parent)) not in known:
            known.add(place)
            kept.append(name)
    return kept


def _whole_of(path: Path) -> WholeFile | None:
    """Return what `path` is a part of, or the file of which a folder has the parts."""
    found = FoundParts()
    if is_folder(path):
        found = find_parts([path])
    else:
        found.add(path)
    wholes = _wholes(found)
    return wholes[0] if len(wholes) == 1 else None


def _wholes(found: FoundParts) -> list[WholeFile]:
    return list(dict.fromkeys(part.header.whole for part in found.parts))
