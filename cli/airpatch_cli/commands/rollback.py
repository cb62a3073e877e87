"""`airpatch rollback`: tags back to an installed release."""

from __future__ import annotations

from argparse import Namespace

from airpatch.target.rollback import rollback
from airpatch.target.root import open_root
from airpatch_cli.console import Console, Result, count


def run(args: Namespace, console: Console) -> Result:
    with open_root(args.root) as root:
        receipt, tags = rollback(root, args.to)
    return Result(
        {"release": receipt.release.name, "release_id": str(receipt.id), "tags": tags},
        [f"release {receipt.release.name} ({receipt.id.short}) is current, {count(tags, 'tag')} set"],
    )
