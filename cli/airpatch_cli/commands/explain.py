"""`airpatch explain`: what a patch will cost before it is built, and what makes it grow."""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from airpatch.blobs.scratch import files_beside
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.forecast import BlobCost, FileCost, forecast
from airpatch.report.patches import method_name
from airpatch.report.usage import usage
from airpatch_cli.commands.diff import planned
from airpatch_cli.console import Console, Result, count, megabytes, table

Users = Mapping[Digest, tuple[ImageName, ...]]


def run(args: Namespace, console: Console) -> Result:
    new_file = files_beside(Path())
    with planned(args, new_file, console) as patched:
        console.progress.start("looking for what costs", sum(step.plaintext for step in patched.index.steps))
        costs = forecast(patched, new_file, console.progress.advance)
    used_by = usage(patched.gathered.release.images, patched.gathered.manifests).images
    return Result(_data(patched.index, costs, used_by, args.top), list(_lines(patched.index, costs, used_by, args.top)))


def _image_costs(index: Index, costs: list[BlobCost], used_by: Users) -> list[tuple[ImageName, int, int, int]]:
    """Of each image how many of its blobs are new, their cost, and the cost of those that no other image has."""
    found: defaultdict[ImageName, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in costs:
        images = used_by[each.digest]
        for name in images:
            row = found[name]
            row[0] += 1
            row[1] += each.cost
            row[2] += each.cost if len(images) == 1 else 0
    rows = []
    for image in index.release.images:
        blobs, cost, own = found[image.name]
        rows.append((image.name, blobs, cost, own))
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def _data(index: Index, costs: list[BlobCost], used_by: Users, top: int) -> dict[str, object]:
    return {
        "release": index.release.name,
        "bases": [{"name": base.name, "id": str(base.id)} for base in index.bases],
        "bytes": sum(each.cost for each in costs),
        "whole_bytes": sum(each.cost for each in costs if each.anatomy is None),
        "patch_bytes": sum(each.cost for each in costs if each.anatomy is not None),
        "images": [
            {"name": str(name), "new_blobs": blobs, "bytes": cost, "own_bytes": own}
            for name, blobs, cost, own in _image_costs(index, costs, used_by)
        ],
        "blobs": [_blob_data(each, used_by, top) for each in costs],
    }


def _blob_data(each: BlobCost, used_by: Users, top: int) -> dict[str, object]:
    anatomy = each.anatomy
    return {
        "digest": str(each.digest),
        "bytes": each.size,
        "cost": each.cost,
        "method": None if anatomy is None else method_name(anatomy.recipe.method),
        "difference_bytes": None if anatomy is None else anatomy.difference,
        "decisions_bytes": None if anatomy is None else anatomy.decisions,
        "views_bytes": None if anatomy is None else anatomy.views,
        "sources": [] if anatomy is None else list(map(str, anatomy.step.sources)),
        "images": list(map(str, used_by[each.digest])),
        "files": [
            {
                "path": file.path or None,
                "bytes": file.size,
                "cost": file.cost,
                "new_bytes": file.new,
                "changed_bytes": file.changed,
                "from": file.old,
            }
            for file in each.files[:top]
        ],
        "more_files": max(len(each.files) - top, 0),
    }


def _lines(index: Index, costs: list[BlobCost], used_by: Users, top: int) -> Iterator[str]:
    whole = [each.cost for each in costs if each.anatomy is None]
    patches = [each.cost for each in costs if each.anatomy is not None]
    bases = " or ".join(base.name for base in index.bases)
    yield (
        f"a patch from {bases} to {index.release.name} takes about {megabytes(sum(whole) + sum(patches))}: "
        f"{count(len(whole), 'blob')} of {megabytes(sum(whole))} whole, "
        f"{count(len(patches), 'layer patch').replace('patchs', 'patches')} of {megabytes(sum(patches))}"
    )
    yield ""
    rows = [
        [str(name), f"{blobs}", megabytes(cost), megabytes(own)]
        for name, blobs, cost, own in _image_costs(index, costs, used_by)
    ]
    yield from table([["IMAGE", "NEW BLOBS", "COST", "OWN"], *rows], right=[1, 2, 3])
    for each in costs:
        yield ""
        yield from _blob_lines(each, used_by[each.digest], top)


def _blob_lines(each: BlobCost, images: tuple[ImageName, ...], top: int) -> Iterator[str]:
    anatomy = each.anatomy
    names = ", ".join(map(str, images))
    if anatomy is None:
        yield f"{each.digest.short}  {megabytes(each.cost)}, whole, in {names}"
        return
    sources = ", ".join(source.short for source in anatomy.step.sources) or "nothing"
    yield (
        f"{each.digest.short}  {megabytes(each.cost)} for {megabytes(each.size)}, "
        f"{method_name(anatomy.recipe.method)}, from {sources}, in {names}"
    )
    rows = [[megabytes(file.cost), _change(file), file.path or "(between files)", _origin(file)]
            for file in each.files[:top]]  # fmt: skip
    if len(each.files) > top:
        rest = each.files[top:]
        rows.append([megabytes(sum(file.cost for file in rest)), "", f"in {count(len(rest), 'other file')}", ""])
    if anatomy.decisions:
        rows.append([megabytes(anatomy.decisions), "", "decisions of its encoder, which is not known", ""])
    if anatomy.views:
        rows.append([megabytes(anatomy.views), "", "where nested content is, and its encoders", ""])
    if rows:
        yield from (f"  {line}" for line in table(rows, right=[0]))


def _change(file: FileCost) -> str:
    return "new" if file.old is None else "changed"


def _origin(file: FileCost) -> str:
    return "" if file.old in (None, file.path) else f"from {file.old}"
