"""`airpatch merge`: bundles into one."""

from __future__ import annotations

from argparse import Namespace

from bundle.archive.bundle_file import BundleFile
from bundle.errors import UsageError
from bundle.patches.merge import merge, merge_patches
from cli.commands.create import write
from cli.console import Console, Result


def run(args: Namespace, console: Console) -> Result:
    if len(args.bundles) < 2:
        raise UsageError("merge needs two bundles or more")
    bundles = [BundleFile(name) for name in args.bundles]
    merged = merge_patches(bundles) if args.patch else merge(bundles)
    return write(merged.index, merged.gathered, args, console)
