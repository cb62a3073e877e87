"""`airpatch explain`: what a patch will cost before it is built, and what makes it grow."""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence

import airpatch
from airpatch import BlobCost, ChosenSource, Explanation, FileCost, ImageName
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, table
from airpatch_cli.registry_access import pulling


def run(args: Namespace, console: Console) -> Result:
    found = airpatch.explain(
        args.bases,
        args.sources,
        release=args.release,
        sequence=args.sequence,
        product=args.product,
        images_list=args.images_list,
        tags=args.tags,
        images_from=args.images_from,
        pull=pulling(args),
        files=args.files,
        content=args.contents,
        readers=args.readers,
        effort=args.effort or "default",
        html=args.html,
        execution=console.execution,
    )
    page = [] if args.html is None else ["", f"{args.html}: all of the patch, as a page for a browser"]
    return Result(_data(found, args.top), [*_lines(found, args.top), *page], notes=found.warnings)


def _image_costs(found: Explanation) -> list[tuple[ImageName, int, int, int]]:
    """Return for each image the number of its new blobs, their cost, and the cost of those that no other image has."""
    costs: defaultdict[ImageName, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in found.costs:
        images = found.images[each.digest]
        for name in images:
            row = costs[name]
            row[0] += 1
            row[1] += each.cost
            row[2] += each.cost if len(images) == 1 else 0
    rows = []
    for image in found.index.release.images:
        blobs, cost, own = costs[image.name]
        rows.append((image.name, blobs, cost, own))
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def _data(found: Explanation, top: int) -> dict[str, object]:
    index, costs = found.index, found.costs
    return {
        "release": index.release.name,
        "bases": [{"name": base.name, "id": str(base.id)} for base in index.bases],
        "bytes": sum(each.cost for each in costs),
        "whole_bytes": sum(each.cost for each in costs if each.patch is None),
        "patch_bytes": sum(each.cost for each in costs if each.patch is not None),
        "unrestricted_bytes": found.unrestricted,
        "images": [
            {"name": str(name), "new_blobs": blobs, "bytes": cost, "own_bytes": own}
            for name, blobs, cost, own in _image_costs(found)
        ],
        "blobs": [_blob_data(each, found.images[each.digest], top) for each in costs],
        "report": found.document,
    }


def _blob_data(each: BlobCost, images: Sequence[ImageName], top: int) -> dict[str, object]:
    patch = each.patch
    return {
        "digest": str(each.digest),
        "bytes": each.size,
        "cost": each.cost,
        "method": None if patch is None else patch.method,
        "difference_bytes": None if patch is None else patch.difference,
        "decisions_bytes": None if patch is None else patch.decisions,
        "views_bytes": None if patch is None else patch.views,
        "sources": [] if patch is None else list(map(str, patch.step.sources)),
        "chosen": [
            {
                "digest": str(source.digest),
                "resembling_bytes": source.resembling,
                "rivals": list(map(str, source.rivals)),
            }
            for source in each.chosen
        ],
        "images": list(map(str, images)),
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


def _lines(found: Explanation, top: int) -> Iterator[str]:
    index, costs = found.index, found.costs
    whole = [each.cost for each in costs if each.patch is None]
    patches = [each.cost for each in costs if each.patch is not None]
    bases = " or ".join(base.name for base in index.bases)
    yield (
        f"a patch from {bases} to {index.release.name} takes {megabytes(found.report.size)}: "
        f"besides the index and manifests, {count(len(whole), 'blob')} of {megabytes(sum(whole))} whole and "
        f"{count(len(patches), 'layer patch')} of {megabytes(sum(patches))}"
    )
    if found.unrestricted is not None:
        yield f"for hosts with this airpatch it would take {megabytes(found.unrestricted)}"
    yield ""
    yield from (cause.text for cause in found.report.causes)
    yield ""
    yield from table([["IMAGE", "NEW BLOBS", "TOTAL", "OWN"], *_image_rows(found, top)], right=[1, 2, 3])
    for each in costs[:top]:
        yield ""
        yield from _blob_lines(each, found.images[each.digest], top)
    if rest := costs[top:]:
        yield ""
        yield f"{count(len(rest), 'other blob')} of {megabytes(sum(each.cost for each in rest))}"


def _image_rows(found: Explanation, top: int) -> Iterator[list[str]]:
    """Yield a row for each of the `top` images. What several share counts in the total of each."""
    rows = _image_costs(found)
    for name, blobs, cost, own in rows[:top]:
        yield [str(name), f"{blobs}", megabytes(cost), megabytes(own)]
    if rest := rows[top:]:
        yield [count(len(rest), "other image"), "", "", megabytes(sum(own for *_, own in rest))]


def _blob_lines(each: BlobCost, images: Sequence[ImageName], top: int) -> Iterator[str]:
    patch = each.patch
    names = ", ".join(map(str, images))
    if patch is None:
        yield f"{each.digest.short}  {megabytes(each.cost)}, whole, in {names}"
        return
    sources = ", ".join(source.short for source in patch.step.sources) or "nothing"
    yield (
        f"{each.digest.short}  {megabytes(each.cost)} for {megabytes(each.size)}, "
        f"{patch.method}, from {sources}, in {names}"
    )
    for source in each.chosen:
        yield f"  {_reason(source, patch.step.uncompressed_size)}"
    rows = [[megabytes(file.cost), _change(file), file.path or "(between files)", _origin(file)]
            for file in each.files[:top]]  # fmt: skip
    if len(each.files) > top:
        rest = each.files[top:]
        rows.append([megabytes(sum(file.cost for file in rest)), "", f"in {count(len(rest), 'other file')}", ""])
    if patch.decisions:
        rows.append([megabytes(patch.decisions), "", "decisions of its encoder", ""])
    if patch.views:
        rows.append([megabytes(patch.views), "", "where nested content is, and its encoders", ""])
    if rows:
        yield from (f"  {line}" for line in table(rows, right=[0]))


def _reason(source: ChosenSource, uncompressed: int) -> str:
    """Say why a layer of `uncompressed` bytes is made from that source."""
    if not source.resembling:
        return f"from {source.digest.short}: its encoder has decided alike, which need not be searched for again"
    share = min(round(100 * source.resembling / uncompressed), 100)
    reason = f"from {source.digest.short}: samples suggest that it has about {share} % of the layer"
    if not source.rivals:
        return reason
    rivals = " and ".join(rival.short for rival in source.rivals)
    return f"{reason}, and a sample of the difference was smaller than with {rivals}"


def _change(file: FileCost) -> str:
    return "new" if file.old is None else "changed"


def _origin(file: FileCost) -> str:
    return "" if file.old in (None, file.path) else f"from {file.old}"
