"""`airpatch diff`: images into a patch against what targets have."""

from __future__ import annotations

from argparse import Namespace

from bundle.patches.bases import open_base
from bundle.patches.plan import plan_patch
from cli.commands.create import gather_sources, write
from cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    gathered = gather_sources(args)
    bases = [open_base(name, gathered.release) for name in args.bases]
    for base in bases:
        if base.warning is not None:
            console.note(base.warning)
    return write(plan_patch(gathered.release, bases), gathered, args, console)
