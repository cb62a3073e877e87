"""`airpatch sign`: signatures over a bundle."""

from __future__ import annotations

import shlex
from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.sign(args.bundle, key=args.key, signatures=args.signatures, export=args.export)
    data: dict[str, object] = {
        "bundle": done.name,
        "release": done.index.release.name,
        "release_id": str(done.index.release_id),
        "signatures": list(done.fingerprints),
        "message": done.exported,
    }
    if done.exported is None:
        return Result(data, [f"{done.name}: signed by", *(f"  {key}" for key in done.fingerprints)])
    bundle, message, signature = map(shlex.quote, (done.name, done.exported, f"{done.exported}.sig"))
    lines = [
        f"{done.exported}: the message to sign for {done.name}; make a signature and add it with",
        f"  ssh-keygen -Y sign -n airpatch -f KEY {message}",
        f"  airpatch sign {bundle} --import {signature}",
    ]
    return Result(data, lines)
