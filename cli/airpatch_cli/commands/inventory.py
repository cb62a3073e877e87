"""`airpatch inventory`: a list of what a root has, for the sender."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, title_of


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.inventory(args.root, args.output, product=args.product)
    found = made.inventory
    size = sum(found.blobs.values())
    return Result(
        {
            "inventory": made.output,
            "bytes": made.size,
            "id": str(made.id),
            "product": found.product,
            "release": found.name or None,
            "sequence": found.sequence,
            "blobs": len(found.blobs),
            "blob_bytes": size,
        },
        [
            f"{title_of(made.output)}: {count(len(found.blobs), 'blob')} of {megabytes(size)}, "
            f"current release {found.name or 'unknown'}, in {megabytes(made.size)}"
        ],
    )
