"""`airpatch rollback`: tags back to an installed release."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.rollback(args.root, args.to, product=args.product, execution=console.execution)
    release = done.receipt.release
    place = ""
    if done.left is not None and done.left.id != done.receipt.id:
        place = f" in place of {done.left.release.name}"
    lines = [f"release {release.title} ({done.receipt.id.short}) is current{place}, {count(done.tags, 'tag')} set"]
    return Result(
        {
            "product": release.product,
            "release": release.name,
            "release_id": str(done.receipt.id),
            "left": None if done.left is None else done.left.release.name,
            "tags": done.tags,
        },
        lines,
    )
