"""`airpatch topup`: what a damaged copy of a bundle lacks."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import megabytes
from airpatch_cli.console import Console, Result, title_of


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.topup(args.bundle, args.request, args.output, execution=console.execution)
    title = title_of(made.output)
    name = "TOPUP" if made.output == "-" else made.output
    return Result(
        {"output": made.output, "bytes": made.size, "given_bytes": made.given},
        [f"{title}: {megabytes(made.given)} of {args.bundle}; the site runs 'airpatch apply COPY {name}'"],
    )
