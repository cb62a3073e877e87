"""What a patch will cost, layer by layer and file by file, out of the layer patches that it will have.

A layer that travels whole costs its size. Of a layer patch the difference of plaintexts is shared out to the files of
the layer (`airpatch.delta.cost`); all else belongs to the layer alone. Reads only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import NewFile, ScratchFile
from airpatch.delta.cost import PartCost, part_costs
from airpatch.delta.tar_members import Member, members
from airpatch.format.index import Index, Plan, Step
from airpatch.layers.plaintext import extract
from airpatch.layers.rebuild import sizes_of
from airpatch.layers.recipe import Raw, Whole, read_header
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.patches.layers import Patched
from airpatch.report.patches import Anatomy

Tar = tuple[Member, ...]
"""The members of a layer."""


@dataclass(frozen=True, slots=True)
class FileCost:
    """A file of a layer, or what is between files if `path` is empty: `cost` in bytes of the patch.

    `new` and `changed` are those of its `size` bytes that the patch has: new, or in place of others. `old` is the file
    that most of it is copied from, `None` if there is none.
    """

    path: str
    size: int
    cost: int
    new: int
    changed: int
    old: str | None


@dataclass(frozen=True, slots=True)
class BlobCost:
    """A layer or config that targets lack, of `size` bytes: `cost` in bytes. Whole if it has no `anatomy`.

    `files` are those that cost something, the costliest first; none where the patch has no difference of plaintexts.
    """

    digest: Digest
    size: int
    cost: int
    anatomy: Anatomy | None = None
    files: tuple[FileCost, ...] = ()


def forecast(patched: Patched, new_file: NewFile, progress: Callable[[int], None]) -> list[BlobCost]:
    """The costs of the blobs that `patched` brings, manifests left out, the costliest first.

    `progress` hears of bytes of plaintext of what is patched.
    """
    index = patched.index
    steps = {step.digest: step for step in index.steps}
    found = []
    for blob, plan in zip(index.release.blobs, index.plans, strict=True):
        if blob.is_manifest or plan is Plan.LEFT_OUT:
            continue
        if plan is Plan.STORED:
            found.append(BlobCost(blob.digest, blob.size, blob.size))
            continue
        step = steps[blob.digest]
        with closing(patched.patches.open(step.patch, step.patch_size)) as patch:
            anatomy = Anatomy(step, read_header(patch, step.patch_size))
            files: Sequence[FileCost] = ()
            # Offsets in a difference of blobs as they are, compressed, are no places in files.
            if not isinstance(anatomy.recipe.method, Whole | Raw):
                delta = _Delta(patch.read_into, *anatomy.recipe.section(0))
                files = _files(step, delta, patched, index, new_file)
        found.append(BlobCost(blob.digest, blob.size, step.patch_size, anatomy, tuple(files)))
        progress(step.plaintext)
    return sorted(found, key=lambda each: (-each.cost, each.digest))


class _Delta:
    """The section of a layer patch that is its difference, read from its beginning."""

    def __init__(self, read_into: Callable[[memoryview, int], None], start: int, size: int) -> None:
        self._read_into = read_into
        self._position = start
        self._left = size

    def read(self, size: int, /) -> bytes:
        buffer = bytearray(min(size, self._left))
        if buffer:
            self._read_into(memoryview(buffer), self._position)
        self._position += len(buffer)
        self._left -= len(buffer)
        return bytes(buffer)


def _files(step: Step, delta: _Delta, patched: Patched, index: Index, new_file: NewFile) -> list[FileCost]:
    target = _tar(patched.sources, step.digest, step.size, new_file)
    sizes = sizes_of(index)
    sources = [_tar(patched.sources, source, sizes[source][0], new_file) for source in step.sources]
    cuts = sorted({0, *(cut for member in target for cut in (member.start, member.end))})
    starts = {member.start: member for member in target}
    positions = list(accumulate((sizes[source][1] for source in step.sources), initial=0))
    found = []
    for cut, share in zip(cuts, part_costs(delta, cuts), strict=True):
        if round(share.cost):
            found.append(_cost(starts.get(cut), share, sources, positions))
    return sorted(found, key=lambda file: (-file.cost, file.path))


def _tar(content: Content, digest: Digest, size: int, new_file: NewFile) -> Tar:
    """The members of a layer, which is unpacked for that."""
    with closing(ScratchFile(new_file, str(digest))) as file:
        with closing(content.open(digest, size)) as reader:
            extract(reader, size, file.append, MAX_BLOB)
        return tuple(members(memoryview(file.view())))


def _cost(member: Member | None, share: PartCost, sources: list[Tar], positions: list[int]) -> FileCost:
    old = None
    if share.position is not None:
        number = bisect_right(positions, share.position) - 1
        old = _path_at(sources[number], share.position - positions[number])
    path = "" if member is None else _text(member.path)
    size = 0 if member is None else member.size
    return FileCost(path, size, round(share.cost), share.literal, share.wrong, old)


def _path_at(tar: Tar, offset: int) -> str | None:
    number = bisect_right(tar, offset, key=lambda member: member.start) - 1
    if number < 0 or offset >= tar[number].end:
        return None
    return _text(tar[number].path)


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace").removeprefix("./")
