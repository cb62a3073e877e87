"""`airpatch restore`: images out of a registry's root, a bundle or any other source."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result, count, megabytes
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.restore(
        args.source,
        args.output,
        images=args.images,
        form=args.kind or "dir",
        link=args.link or "copy",
        trusted=trusted(args),
        execution=console.execution,
    )
    return Result(
        {
            "output": str(done.output),
            "as": args.kind or "dir",
            "images": [{"name": str(image.name), "manifest": str(image.manifest)} for image in done.images],
            "blob_bytes": done.size,
        },
        [f"{args.output}: {count(len(done.images), 'image')} restored, {megabytes(done.size)} of distinct content"],
        notes=done.warnings,
    )
