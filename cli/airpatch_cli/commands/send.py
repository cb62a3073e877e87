"""`airpatch send`: images to a registry's root on another host."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import megabytes
from airpatch_cli.console import Console, Result
from airpatch_cli.registry_access import pulling
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.send(
        args.sources,
        args.target,
        release=args.release,
        sequence=args.sequence,
        product=args.product,
        images_list=args.images_list,
        tags=args.tags,
        images_from=args.images_from,
        pull=pulling(args),
        files=args.files,
        content=args.contents,
        effort=args.effort or "default",
        expires=args.expires,
        key=args.key,
        via=args.via,
        shell=args.shell,
        program=args.program,
        trusted=trusted(args),
        said=lambda line: console.note(f"{args.target.partition(':')[0]}: {line}"),
        execution=console.execution,
    )
    release = done.bundle.index.release
    where = f"applied at {args.target}" if done.applied else f"written to {args.via}"
    what = "as a patch" if done.is_patch else "as a full bundle, since the host had no registry"
    data: dict[str, object] = {
        "host": done.host,
        "root": done.root,
        "release": release.name,
        "release_id": str(done.bundle.index.release_id),
        "patch": done.is_patch,
        "bytes": done.bundle.size,
        "output": None if done.applied else str(args.via),
    }
    lines = [f"release {release.title}: {where}, {megabytes(done.bundle.size)} {what}"]
    return Result(data, [*lines, f"  took {console.seconds:.1f} s"], notes=done.bundle.warnings)
