"""`airpatch rollback`: tags back to an installed release."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result, count


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.rollback(args.root, args.to, execution=console.execution)
    release = done.receipt.release
    return Result(
        {"release": release.name, "release_id": str(done.receipt.id), "tags": done.tags},
        [f"release {release.name} ({done.receipt.id.short}) is current, {count(done.tags, 'tag')} set"],
    )
