"""`airpatch merge`: bundles into one."""

from __future__ import annotations

from argparse import Namespace

from bundle.archive.bundle_file import BundleFile
from bundle.patches.merge import Options, merge, merge_patches
from cli.commands.create import scratch_files, write
from cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    bundles = [BundleFile(name) for name in args.bundles]
    if args.patch:
        merged = merge_patches(bundles)
    else:
        options = Options(scratch_files(args), args.jobs, console.progress.advance, console.progress.start)
        merged = merge(bundles, options)
    return write(merged.index, merged.gathered, args, console)
