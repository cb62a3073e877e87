"""`airpatch create`: images into a full bundle."""

from __future__ import annotations

from argparse import Namespace

from bundle.archive.pack import pack
from bundle.format.index import Index
from bundle.sources.gather import gather
from cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    gathered = gather(args.sources, images_list=args.images_list, name=args.release, sequence=args.sequence)
    release = gathered.release
    index = Index.full(release)
    console.progress.start(f"packing {release.name}", release.size)
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
        },
        [
            f"{args.output}: release {release.name}, {count(len(release.images), 'image')}, "
            f"{count(len(release.blobs), 'blob')} of {megabytes(release.size)} in {megabytes(size)}"
        ],
    )
