"""`airpatch trust`: the signers that a root demands from now on."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count
from airpatch_cli.console import Console, Result
from airpatch_cli.trust_options import read_signers


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.trust(
        args.root,
        read_signers(args.allowed_signers, args),
        signature=f"{args.allowed_signers}.sig",
        force=args.force,
    )
    trusted = done.trusted
    of = f" by {' or '.join(trusted.principals)}" if trusted.principals else ""
    lines = [
        *([f"new folder {done.root}, to be a registry's root"] if done.is_new else []),
        f"{done.root}: demands {count(trusted.threshold, 'signature')}{of} of {args.allowed_signers} from now on",
        *(f"  as {signer} signed" for signer in done.signers),
    ]
    notes = []
    if trusted.policy().revokes_all():
        notes.append(
            f"{args.allowed_signers}: has no key that is not revoked; {done.root} takes no bundle until it has"
        )
    data: dict[str, object] = {
        "root": str(done.root),
        "new_registry": done.is_new,
        "threshold": trusted.threshold,
        "principals": list(trusted.principals),
        "signed_by": [str(signer) for signer in done.signers],
        "forced": args.force,
        "notes": notes,
    }
    return Result(data, lines, notes=notes)
