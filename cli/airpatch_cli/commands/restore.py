"""`airpatch restore`: images out of a registry's root, a bundle or any other source."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result, title_of
from airpatch_cli.registry_access import pulling
from airpatch_cli.trust_options import trusted

_SHOWN = 5
"""Number of other images to name."""


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.restore(
        args.source,
        args.output,
        base=args.base,
        files_to=args.files_to,
        images=args.images,
        release=args.release,
        exact=args.exact,
        form=args.kind,
        link=args.link or "copy",
        pull=pulling(args),
        trusted=trusted(args),
        execution=console.execution,
    )
    images, size = count(len(done.images), "image"), megabytes(done.size)
    lines = [f"{title_of(args.output)}: {images} restored, {size} of distinct content"]
    if done.others:
        shown = ", ".join(done.others[:_SHOWN]) + (", ..." if len(done.others) > _SHOWN else "")
        them = "it" if len(done.others) == 1 else "them"
        what = "removed" if args.exact else f"left there; a later create would pack {them}, and --exact removes {them}"
        lines.append(f"  {count(len(done.others), 'other image')} {what}: {shown}")
    if done.files is not None:
        lines.append(f"{args.files_to}: files, folders and links laid out: {done.files:,}")
    return Result(
        {
            "output": str(done.output),
            "as": args.kind or "dir",
            "images": [{"name": str(image.name), "manifest": str(image.manifest)} for image in done.images],
            "blob_bytes": done.size,
            "other_images": list(done.others),
            "removed": args.exact,
            "files": done.files,
        },
        lines,
        notes=done.warnings,
    )
