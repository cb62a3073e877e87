"""`airpatch inventory`: what a root has, for the sender."""

from __future__ import annotations

from argparse import Namespace

from airpatch.archive.pack import destination
from airpatch.format.inventories import content_id, emit
from airpatch.target.root import open_root
from airpatch.target.stocktaking import take_inventory
from airpatch_cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    with open_root(args.root) as root:
        inventory = take_inventory(root)
    content = emit(inventory)
    with destination(args.output) as sink:
        sink.write([content])
    size = sum(inventory.blobs.values())
    return Result(
        {
            "inventory": args.output,
            "bytes": len(content),
            "id": str(content_id(inventory)),
            "release": inventory.name or None,
            "blobs": len(inventory.blobs),
            "blob_bytes": size,
        },
        [
            f"{args.output}: {count(len(inventory.blobs), 'blob')} of {megabytes(size)}, "
            f"current release {inventory.name or 'unknown'}, in {megabytes(len(content))}"
        ],
    )
