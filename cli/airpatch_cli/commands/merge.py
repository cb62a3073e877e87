"""`airpatch merge`: bundles into one."""

from __future__ import annotations

from argparse import Namespace

from airpatch.archive.bundle_file import BundleFile
from airpatch.patches.merging import merge, merge_patches
from airpatch_cli.commands.create import rebuilding, scratch_files, write
from airpatch_cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    bundles = [BundleFile(name) for name in args.bundles]
    options = rebuilding(scratch_files(args), args, console)
    merged = merge_patches(bundles) if args.patch else merge(bundles, options)
    return write(merged.index, merged.gathered, args, console)
