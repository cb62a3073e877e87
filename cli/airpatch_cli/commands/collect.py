"""`airpatch collect`: a patch out of the layer patches of a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.bundle_results import written
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.collect(
        args.store,
        args.base,
        args.target,
        args.output,
        product=args.product,
        effort=args.effort or "default",
        key=args.key,
        execution=console.execution,
    )
    return written(made, console)
