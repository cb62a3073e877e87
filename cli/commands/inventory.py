"""`airpatch inventory`: what a root has, for the sender."""

from __future__ import annotations

from argparse import Namespace

from bundle.archive.pack import destination
from bundle.format.inventory import content_id, emit
from bundle.target.inventory import take_inventory
from bundle.target.root import Root
from cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    with Root(args.root) as root:
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
