"""`airpatch create`: images into a full bundle."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from pathlib import Path

from airpatch.archive.pack import STDOUT, pack
from airpatch.blobs.scratch import NewFile, files_beside
from airpatch.format.index import Index
from airpatch.layers.rebuilt import Rebuilding
from airpatch.sources.gather import Gathered, gather
from airpatch_cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    gathered = gather_sources(args, scratch_files(args), console)
    index = Index.full(gathered.release)
    if not args.repack:
        return write(index, gathered, args, console)
    # Here, because most bundles are made without the differ and what it loads.
    from airpatch.patches.layers import patch_layers
    from airpatch_cli.commands.diff import differ_options

    patched = patch_layers(index, gathered, [], scratch_files(args), differ_options(args, console))
    with closing(patched.patches):
        return write(patched.index, patched.gathered, args, console)


def gather_sources(args: Namespace, new_file: NewFile, console: Console) -> Gathered:
    gathered = gather(
        args.sources,
        rebuilding(new_file, args, console),
        images_list=args.images_list,
        tags=args.tags,
        name=args.release,
        sequence=args.sequence,
    )
    for remark in gathered.remarks:
        console.note(remark)
    return gathered


def rebuilding(new_file: NewFile, args: Namespace, console: Console) -> Rebuilding:
    return Rebuilding(new_file, args.jobs, console.progress.advance, console.progress.start)


def scratch_files(args: Namespace) -> NewFile:
    """Scratch files beside the output; in the current folder if that is a pipe."""
    return files_beside(Path.cwd() if args.output == STDOUT else Path(args.output).resolve().parent)


def write(index: Index, gathered: Gathered, args: Namespace, console: Console) -> Result:
    """Write a bundle, and say what is in it."""
    release = index.release
    stored = sum(blob.size for blob in index.stored)
    patches = sum(step.patch_size for step in index.steps)
    console.progress.start(f"packing {release.name}", stored + patches)
    size = pack(
        index, gathered.content, gathered.manifests, args.output, jobs=args.jobs, progress=console.progress.advance
    )
    return Result(
        {
            "bundle": args.output,
            "bytes": size,
            "release": release.name,
            "sequence": release.sequence,
            "release_id": str(index.release_id),
            "images": len(release.images),
            "blobs": len(release.blobs),
            "blob_bytes": release.size,
            "stored": len(index.stored),
            "stored_bytes": stored,
            "patched": len(index.patched),
            "patched_bytes": sum(blob.size for blob in index.patched),
            "patch_bytes": patches,
            "bases": [{"name": base.name, "id": str(base.id)} for base in index.bases],
            "removed": list(index.removed),
        },
        [
            f"{args.output}: release {release.name}, {count(len(release.images), 'image')}, "
            f"{count(len(release.blobs), 'blob')} of {megabytes(release.size)}{_not_stored(index)}, "
            f"in {megabytes(size)}",
            *(f"  no longer in the release: {repository}" for repository in index.removed),
        ],
    )


def _not_stored(index: Index) -> str:
    text = ""
    if not index.is_full:
        bases = " or ".join(base.name for base in index.bases)
        text = f", of which a target with {bases} has {count(len(index.left_out), 'blob')}"
    if index.patched:
        size = megabytes(sum(blob.size for blob in index.patched))
        patches = megabytes(sum(step.patch_size for step in index.steps))
        text += f", {count(len(index.patched), 'blob')} of {size} as layer patches of {patches}"
    return text
