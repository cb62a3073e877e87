"""`airpatch store prune`: old releases removed from a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result
from airpatch_cli.store_results import release_data


def run(args: Namespace, _: Console) -> Result:
    pruned = airpatch.store_prune(args.store, keep=args.keep, product=args.product, dry_run=args.dry_run)
    would = "would be " if args.dry_run else ""
    names = ", ".join(each.release.title for each in pruned.releases) or "no release"
    lines = [f"{names} {would}forgotten, {count(pruned.blobs, 'blob')} of {megabytes(pruned.size)} {would}removed"]
    if pruned.recent:
        lines.append(
            f"  {count(pruned.recent, 'blob')} of no release, written during the last day, left for the next prune"
        )
    return Result(
        {
            "store": pruned.where,
            "forgotten": [release_data(each) for each in pruned.releases],
            "kept": len(pruned.kept),
            "blobs": pruned.blobs,
            "bytes": pruned.size,
            "records": pruned.records,
            "recent": pruned.recent,
            "dry_run": args.dry_run,
        },
        lines,
    )
