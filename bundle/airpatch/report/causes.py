"""The largest causes of a patch's size, in words. Pure.

A package is one cause, whatever layers it lies in. Other files are causes by themselves if they make up a good part of
their folder, and together with what else is in it if not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.cost_shares import CostShare, ShareKind
from airpatch.report.cost_tree import BlobName, path_parts
from airpatch.report.packed_sizes import PackedSizes
from airpatch.report.release_changes import PackageChange, PackageKey, ReleaseChanges
from airpatch.units import count, megabytes

MOST_CAUSES = 10
_GOOD_PART = 4
"""A file or folder is a cause of its own if it makes up one of so many parts of what it lies in."""


@dataclass(frozen=True, slots=True)
class Cause:
    """`bytes` of the patch, and why they are there: a sentence that begins with `PERCENT of this patch is`."""

    bytes: int
    text: str


@dataclass(slots=True)
class _FileGroup:
    """Files at and below `path`, of so many `bytes` of the patch; `is_new` if nothing of them was there before."""

    path: str
    bytes: int
    files: int
    is_new: bool


@dataclass(slots=True)
class _FolderFiles:
    folders: dict[str, _FolderFiles] = field(default_factory=dict)
    files: list[_FileGroup] = field(default_factory=list)


def largest_causes(
    packed: PackedSizes,
    shares: Mapping[Digest, Sequence[CostShare]],
    images: Mapping[Digest, tuple[ImageName, ...]],
    names: Mapping[Digest, BlobName],
    changes: ReleaseChanges,
) -> tuple[Cause, ...]:
    """Return the largest causes, the largest first."""
    packages: defaultdict[PackageKey, int] = defaultdict(int)
    users: defaultdict[PackageKey, dict[ImageName, None]] = defaultdict(dict)
    found: list[tuple[int, str]] = [(packed.index, "the index, what the patch says of itself")]
    described = 0
    for digest, size in packed.members.items():
        where = _where(images.get(digest, ()))
        if digest not in shares or names[digest].kind != "layer":
            described += size
            continue
        top = _FolderFiles()
        new_files = changes.new_files.get(digest, frozenset())
        for each in shares[digest]:
            package = changes.owners.get(digest, {}).get(each.path.partition("!")[0])
            if package is not None:
                packages[package] += each.bytes
                users[package].update(dict.fromkeys(images.get(digest, ())))
            elif each.kind is ShareKind.FILE:
                _put(top, each, each.path.partition("!")[0] in new_files)
            else:
                found.append((each.bytes, _itself(each.kind, names[digest].text, where)))
        found += [(part.bytes, _file_words(part, where)) for part in _parts(top, "")]
    found.append((described, "manifests and configs of images"))
    found.append((packed.signatures, "detached signatures of images"))
    found.append((packed.framing, "what frames the file"))
    for key, size in packages.items():
        found.append((size, _package_words(key, changes.packages.get(key), _where(tuple(users[key])))))
    largest = sorted((each for each in found if each[0]), key=lambda each: (-each[0], each[1]))[:MOST_CAUSES]
    return tuple(Cause(size, f"{_percent(size, packed.size)} of this patch is {text}") for size, text in largest)


def _percent(size: int, whole: int) -> str:
    share = 100 * size / whole
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else "less than 0.1 %"


def _where(images: tuple[ImageName, ...]) -> str:
    if not images:
        return ""
    return f" in {images[0]}" if len(images) == 1 else f" in {images[0]} and {count(len(images) - 1, 'other image')}"


def _put(folder: _FolderFiles, each: CostShare, is_new: bool) -> None:
    *folders, name = path_parts(each.path)
    for part in folders:
        folder = folder.folders.setdefault(part, _FolderFiles())
    folder.files.append(_FileGroup(name, each.bytes, 1, is_new))


def _parts(folder: _FolderFiles, path: str) -> list[_FileGroup]:
    """Return what makes up a good part of `folder` each, and everything else in it as one."""
    below = [*folder.files, *(part for name, each in folder.folders.items() for part in _parts(each, name))]
    whole = sum(part.bytes for part in below)
    kept = [part for part in below if part.bytes * _GOOD_PART >= whole]
    rest = [part for part in below if part.bytes * _GOOD_PART < whole]
    if len(rest) == 1:  # there is nothing else that it could be told with
        kept, rest = below, []
    found = [_FileGroup(_join(path, part.path), part.bytes, part.files, part.is_new) for part in kept]
    if rest:
        size, files = sum(part.bytes for part in rest), sum(part.files for part in rest)
        found.append(_FileGroup(f"{path}/" if path else "", size, files, all(part.is_new for part in rest)))
    return found


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _file_words(part: _FileGroup, where: str) -> str:
    change = "new" if part.is_new else "changed"
    if part.files == 1:
        return f"{part.path}{where}, which {'is' if part.is_new else 'has'} {change}"
    place = f" in {part.path}" if part.path else ""
    return f"{count(part.files, f'{change} file')}{place}{where}"


def _package_words(key: PackageKey, change: PackageChange | None, where: str) -> str:
    manager, name = key
    text = f"{name} ({manager}){where}"
    if change is None:
        return text
    if change.before is None:
        return f"{text}, which is new: {change.after}, {megabytes(change.size_after)}"
    went = f"from {change.before} to {change.after}" if change.before != change.after else f"still {change.after}"
    before, after = change.size_before, change.size_after
    if before == after:
        return f"{text}, which changed: {went}, {megabytes(after)} as before"
    verb = "grew" if after > before else "shrank"
    return f"{text}, which {verb} by {megabytes(abs(after - before))} to {megabytes(after)}: {went}"


def _itself(kind: ShareKind, blob: str, where: str) -> str:
    match kind:
        case ShareKind.DECISIONS:
            return f"what the encoder of {blob}{where} decided, since it cannot be run again exactly"
        case ShareKind.LAYOUT:
            return f"where the members or frames of {blob}{where} are, and what lies between them"
        case ShareKind.VIEWS:
            return f"where nested content is in {blob}{where}"
        case ShareKind.FRAME:
            return f"what frames the patch of {blob}{where}"
        case ShareKind.BETWEEN:
            return f"what lies between the files of {blob}{where}"
        case _:
            return f"{blob}{where}, of which no files are known"
