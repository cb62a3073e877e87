"""What a patch will cost, layer by layer and file by file, out of the layer patches that it will have.

A layer that travels whole costs its size. The difference in a layer patch is shared out
among the files of the layer (`airpatch.delta.cost`); all else is the layer's own. Reads only.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import accumulate

from airpatch import limits
from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.delta.cost import PartCost, part_costs
from airpatch.delta.tar_members import TarMember, members
from airpatch.execution import Execution
from airpatch.format.index import Step
from airpatch.layers.compression import extract
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import Raw, Whole, read_header, section
from airpatch.layers.steps import Sizes, sizes_of
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.report.layer_patches import LayerPatch
from airpatch.views.choose import choose

Tar = tuple[TarMember, ...]
"""The members of a layer."""


@dataclass(frozen=True, slots=True)
class FileCost:
    """A file of a layer, or what is between files if `path` is empty: `cost` in bytes of the patch.

    What is expanded within a file stands for itself: its path is that of the file, `!`, and its name in there.

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
    """A layer or config that targets lack, of `size` bytes: `cost` in bytes. Whole if it has no `patch`.

    `files` are those that cost something, the costliest first; none where the patch has no such difference.
    `chosen` says why it builds upon its sources.
    """

    digest: Digest
    size: int
    cost: int
    patch: LayerPatch | None = None
    files: tuple[FileCost, ...] = ()
    chosen: tuple[ChosenSource, ...] = ()


def forecast(bundle: PreparedBundle, execution: Execution, reader: ReaderFeatures) -> list[BlobCost]:
    """Return the costs of the blobs that `bundle`, made for `reader`, brings, the costliest first; manifests are left
    out.
    """
    index = bundle.index
    stored = [blob for blob in index.stored if not blob.is_manifest]
    found = [BlobCost(blob.digest, blob.size, blob.size) for blob in stored]
    patches = [_layer_patch(step, bundle.content) for step in index.steps]
    sizes = sizes_of(index)
    total = sum(
        sizes[digest][1] for each in patches if _has_files(each) for digest in (each.step.digest, *each.step.sources)
    )
    with execution.part("looking for what costs", total) as part:
        for each in patches:
            files = _files(each, bundle, sizes, execution, part, reader) if _has_files(each) else []
            step = each.step
            chosen = tuple(bundle.chosen.get(step.digest, ()))
            found.append(BlobCost(step.digest, step.size, step.patch_size, each, tuple(files), chosen))
    return sorted(found, key=lambda each: (-each.cost, each.digest))


def _layer_patch(step: Step, content: Content) -> LayerPatch:
    with closing(content.open(step.patch, step.patch_size)) as patch:
        return LayerPatch(step, read_header(patch, step.patch_size))


def _has_files(made: LayerPatch) -> bool:
    """Return offsets in a difference of blobs as they are, compressed, are no places in files."""
    return not isinstance(made.recipe.method, Whole | Raw)


def _files(
    made: LayerPatch,
    bundle: PreparedBundle,
    sizes: Sizes,
    execution: Execution,
    part: ProgressPart,
    reader: ReaderFeatures,
) -> list[FileCost]:
    step = made.step
    blobs = bundle.patched_from or bundle.content
    lengths = [sizes[source][1] for source in step.sources]
    with ExitStack() as stack:
        unpacked = [
            _unpack(blobs, digest, sizes[digest], execution, part, stack) for digest in (step.digest, *step.sources)
        ]
        target, *sources = (tuple(members(each)) for each in unpacked)
        # The choice is the same that the maker of the patch had, and tells the names that the patch does not.
        if made.recipe.views is not None:
            views = choose(unpacked[0], unpacked[1:], reader=reader.of_views(step.digest))
            if views is not None:
                target = tuple(views.target_members)
                sources.append(tuple(views.source_members))
                lengths.append(views.source_size)
    cuts = sorted({0, *(cut for member in target for cut in (member.start, member.end))})
    starts = {member.start: member for member in target}
    positions = list(accumulate(lengths, initial=0))
    found = []
    with closing(bundle.content.open(step.patch, step.patch_size)) as patch:
        delta = section(patch, made.recipe, 0)
        for cut, share in zip(cuts, part_costs(delta, cuts), strict=True):
            if round(share.cost):
                found.append(_cost(starts.get(cut), share, sources, positions))
    return sorted(found, key=lambda file: (-file.cost, file.path))


def _unpack(
    content: Content,
    digest: Digest,
    sizes: tuple[int, int],
    execution: Execution,
    part: ProgressPart,
    stack: ExitStack,
) -> memoryview:
    """Return a layer, uncompressed, in a scratch file that `stack` closes."""
    size, uncompressed_size = sizes
    file = stack.enter_context(closing(ScratchFile(execution.scratch, str(digest))))
    with part.share(uncompressed_size, digest) as share:

        def append(piece: bytes) -> None:
            file.append(piece)
            share.advance(len(piece))

        with closing(content.open(digest, size)) as reader:
            extract(reader, size, append, limits.unpacked(size))
    return memoryview(file.view())


def _cost(member: TarMember | None, share: PartCost, sources: list[Tar], positions: list[int]) -> FileCost:
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
