"""`airpatch diff`: images into a patch against what targets have."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager

from airpatch.blobs.scratch import NewFile, ScratchStore
from airpatch.delta.encoder import Effort
from airpatch.layers.differ import LayerPatches, Options
from airpatch.patches.bases import open_base
from airpatch.patches.layers import Patched, patch_layers
from airpatch.patches.plan import plan_patch
from airpatch_cli.commands.create import gather_sources, scratch_files, write
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    with planned(args, scratch_files(args), console, layer_patches=args.layer_patches) as patched:
        return write(patched.index, patched.gathered, args, console)


@contextmanager
def planned(args: Namespace, new_file: NewFile, console: Console, *, layer_patches: bool = True) -> Iterator[Patched]:
    """The patch from `args.bases` to `args.sources`, ready to be written or looked at while the context lasts.

    It has `layer_patches` unless a base wants none.
    """
    gathered = gather_sources(args, new_file, console)
    bases = [open_base(name, gathered.release) for name in args.bases]
    for base in bases:
        if base.warning is not None:
            console.note(base.warning)
    index = plan_patch(gathered.release, bases)
    if layer_patches and not any(base.wants_whole for base in bases):
        patched = patch_layers(index, gathered, bases, new_file, differ_options(args, console))
    else:
        patched = Patched(index, gathered, LayerPatches(ScratchStore(new_file)), gathered.content)
    with closing(patched.patches):
        yield patched


def differ_options(args: Namespace, console: Console) -> Options:
    return Options(
        Effort[args.effort.upper()], args.memory, args.jobs, console.progress.advance, console.progress.start
    )
