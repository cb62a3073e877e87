"""`airpatch sign`: signatures over a bundle."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    if args.export is not None:
        return _exported(airpatch.export_message(args.bundle, args.export), args.export)
    done = airpatch.sign(args.bundle, key=args.key, signatures=args.signatures)
    return Result(_data(done), [f"{done.name}: signed by", *(f"  {key}" for key in done.fingerprints)])


def _exported(done: airpatch.SignedBundle, output: str) -> Result:
    lines = [
        f"{output}: what a signature over {done.name} signs; make one with",
        f"  ssh-keygen -Y sign -n airpatch -f KEY {output}",
        f"  airpatch sign {done.name} --import {output}.sig",
    ]
    return Result(_data(done, output), lines)


def _data(done: airpatch.SignedBundle, message: str | None = None) -> dict[str, object]:
    return {
        "bundle": done.name,
        "release": done.index.release.name,
        "release_id": str(done.index.release_id),
        "signatures": list(done.fingerprints),
        "message": message,
    }
