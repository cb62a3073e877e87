"""`airpatch push`: images into a registry."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result
from airpatch_cli.registry_access import access
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.push(
        args.sources,
        args.destination,
        images=args.images,
        renames=args.renames,
        dry_run=args.dry_run,
        request=args.request,
        trusted=trusted(args),
        access=access(args),
        execution=console.execution,
    )
    would = "would be " if args.dry_run else ""
    lines = [
        f"{done.destination}: {count(len(done.images), 'image')}; {count(len(done.uploaded), 'blob')} of "
        f"{megabytes(done.bytes)} {would}uploaded, {done.mounted:,} {would}mounted, "
        f"{count(done.manifests, 'manifest')} {would}put, {count(len(done.tags), 'tag')} {would}set",
        *(f"  missing: {blob.digest} {megabytes(blob.size)}" for blob in done.missing),
    ]
    if not args.dry_run:
        lines.append(f"  took {console.seconds:.1f} s")
    data: dict[str, object] = {
        "destination": done.destination,
        "dry_run": args.dry_run,
        "images": [{"name": str(image.name), "manifest": str(image.manifest)} for image in done.images],
        "uploaded": [{"digest": str(blob.digest), "bytes": blob.size} for blob in done.uploaded],
        "uploaded_bytes": done.bytes,
        "mounted": done.mounted,
        "manifests": done.manifests,
        "tags": list(done.tags),
        "missing": [{"digest": str(blob.digest), "bytes": blob.size} for blob in done.missing],
    }
    return Result(data, lines, airpatch.BaseMismatch.exit_code if done.missing else 0, notes=done.warnings)
