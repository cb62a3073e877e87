"""`airpatch serve`: bundles as a read-only registry."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch import Served
from airpatch.units import count
from airpatch_cli.console import Console, Result
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    def started(served: Served) -> None:
        scheme = "http" if args.cert is None else "https"
        console.note(f"serving {count(len(served.images), 'image')} at {scheme}://{served.address}/v2/")
        for name in served.left_out:
            console.note(f"{name}: not served, since no registry can serve a name with a port")

    options = {} if args.room is None else {"room": args.room}
    done = airpatch.serve(
        args.bundles,
        root=args.root,
        listen=args.listen,
        certificate=args.cert,
        key=args.server_key,
        trusted=trusted(args),
        started=started,
        execution=console.execution,
        **options,
    )
    data: dict[str, object] = {
        "address": done.address,
        "images": [str(name) for name in done.images],
        "left_out": list(done.left_out),
    }
    return Result(data, [f"{done.address}: served {count(len(done.images), 'image')}"])
