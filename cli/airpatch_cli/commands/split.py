"""`airpatch split`: a file into parts."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.split(args.file, args.output, size=args.size, parity=args.parity, execution=console.execution)
    whole = made.whole
    spare = f", {args.parity} of which may be lost or damaged" if args.parity else ""
    return Result(
        {
            "name": whole.name,
            "bytes": whole.size,
            "digest": str(whole.digest),
            "parity": whole.parity,
            "parts": [{"name": str(file), "bytes": file.stat().st_size} for file in made.files],
        },
        [f"{args.output}: {whole.name} of {megabytes(whole.size)} in {count(len(made.files), 'part')}{spare}"],
    )
