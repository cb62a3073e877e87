"""`airpatch work`: the layer patches that a plan asks for, into the store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count
from airpatch_cli.console import Console, Result

_FAILED = 8


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.work(
        args.store,
        args.plan,
        engine=args.engine,
        shard=args.shard or (1, 1),
        memory=args.memory,
        execution=console.execution,
    )
    failed = [f"layer {each.target}: {each.message}" for each in done.failed]
    return Result(
        {
            "store": args.store,
            "made": len(done.made),
            "found": len(done.found),
            "failed": [{"layer": str(each.target), "message": each.message} for each in done.failed],
        },
        [f"{args.store}: layer patches made: {len(done.made)}, already there: {len(done.found)}"],
        exit_code=_FAILED if failed else 0,
        notes=[f"{count(len(failed), 'layer')} failed three times:", *failed] if failed else (),
    )
