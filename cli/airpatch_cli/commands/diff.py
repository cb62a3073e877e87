"""`airpatch diff`: images into a patch against what targets have."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.bundle_results import written
from airpatch_cli.console import Console, Result
from airpatch_cli.registry_access import pulling


def run(args: Namespace, console: Console) -> Result:
    made = airpatch.diff(
        args.bases,
        args.sources,
        args.output,
        release=args.release,
        sequence=args.sequence,
        product=args.product,
        expires=args.expires,
        images_list=args.images_list,
        tags=args.tags,
        images_from=args.images_from,
        pull=pulling(args),
        files=args.files,
        content=args.contents,
        readers=args.readers,
        layer_patches=args.layer_patches,
        effort=args.effort or "default",
        key=args.key,
        with_tool=args.with_tool,
        execution=console.execution,
    )
    return written(made, console)
