"""`airpatch join`: parts back into the file."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import megabytes
from airpatch_cli.console import Console, Result, title_of


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.join(args.parts, args.output, execution=console.execution)
    notes = [f"parity replaced part {number}, which is missing or damaged" for number in made.rebuilt]
    return Result(
        {
            "output": made.output,
            "name": made.whole.name,
            "bytes": made.whole.size,
            "digest": str(made.whole.digest),
            "rebuilt": list(made.rebuilt),
        },
        [f"{title_of(made.output)}: {made.whole.name} of {megabytes(made.whole.size)}, as it was split"],
        notes=notes,
    )
