"""`airpatch diff`: images into a patch against what targets have."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing

from bundle.delta.encode import Effort
from bundle.layers.differ import Options
from bundle.patches.bases import open_base
from bundle.patches.layers import patch_layers
from bundle.patches.plan import plan_patch
from cli.commands.create import gather_sources, scratch_files, write
from cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    gathered = gather_sources(args, scratch_files(args), console)
    bases = [open_base(name, gathered.release) for name in args.bases]
    for base in bases:
        if base.warning is not None:
            console.note(base.warning)
    index = plan_patch(gathered.release, bases)
    if not args.layer_patches or any(base.wants_whole for base in bases):
        return write(index, gathered, args, console)
    patched = patch_layers(index, gathered, bases, scratch_files(args), differ_options(args, console))
    with closing(patched.patches):
        return write(patched.index, patched.gathered, args, console)


def differ_options(args: Namespace, console: Console) -> Options:
    return Options(
        Effort[args.effort.upper()], args.memory, args.jobs, console.progress.advance, console.progress.start
    )
