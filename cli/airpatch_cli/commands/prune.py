"""`airpatch prune`: old releases removed from a root."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    pruned = airpatch.prune(args.root, keep=args.keep, product=args.product, dry_run=args.dry_run)
    verb = "would be removed" if args.dry_run else "removed"
    names = ", ".join(receipt.release.title for receipt in pruned.forgotten) or "no release"
    lines = [
        f"{names} {'would be ' if args.dry_run else ''}forgotten, {count(len(pruned.tags), 'tag')} and "
        f"{count(len(pruned.blobs), 'blob')} of {megabytes(pruned.bytes)} {verb}"
    ]
    if pruned.blobs and not args.dry_run:
        lines.append(
            "  restart a registry that serves this root before the next push, since it may have cached these blobs"
        )
    return Result(
        {
            "forgotten": [
                {"product": r.release.product, "release": r.release.name, "release_id": str(r.id)}
                for r in pruned.forgotten
            ],
            "tags": [str(image.name) for image in pruned.tags],
            "blobs": [{"digest": str(blob.digest), "bytes": blob.size} for blob in pruned.blobs],
            "bytes": pruned.bytes,
            "dry_run": args.dry_run,
        },
        lines,
    )
