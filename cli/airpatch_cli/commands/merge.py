"""`airpatch merge`: bundles into one."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.bundle_results import written
from airpatch_cli.console import Console, Result
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    return written(
        airpatch.merge(
            args.bundles,
            args.output,
            patches_only=args.patch,
            key=args.key,
            trusted=trusted(args),
            execution=console.execution,
        ),
        console,
    )
