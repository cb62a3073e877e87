"""`airpatch store verify`: a check of every byte of a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    verified = airpatch.store_verify(args.store, execution=console.execution)
    return Result(
        {
            "store": verified.where,
            "releases": len(verified.releases),
            "blobs": verified.blobs,
            "blob_bytes": verified.size,
        },
        [
            f"{verified.where}: {count(len(verified.releases), 'release')}, {count(verified.blobs, 'blob')} of "
            f"{megabytes(verified.size)}: every byte is correct, and nothing is missing"
        ],
    )
