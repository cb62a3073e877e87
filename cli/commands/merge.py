"""`airpatch merge`: bundles into one."""

from __future__ import annotations

from argparse import Namespace

from bundle.archive.bundle_file import BundleFile
from bundle.patches.merge import merge, merge_patches
from cli.commands.create import rebuilding, scratch_files, write
from cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    bundles = [BundleFile(name) for name in args.bundles]
    options = rebuilding(scratch_files(args), args, console)
    merged = merge_patches(bundles) if args.patch else merge(bundles, options)
    return write(merged.index, merged.gathered, args, console)
