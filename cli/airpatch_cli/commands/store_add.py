"""`airpatch store add`: a release into a store."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch.units import count, megabytes
from airpatch_cli.bundle_results import expiry
from airpatch_cli.console import Console, Result
from airpatch_cli.registry_access import pulling


def run(args: Namespace, console: Console) -> Result:
    added = airpatch.store_add(
        args.store,
        args.sources,
        release=args.release,
        sequence=args.sequence,
        product=args.product,
        expires=args.expires,
        images_list=args.images_list,
        tags=args.tags,
        images_from=args.images_from,
        pull=pulling(args),
        files=args.files,
        execution=console.execution,
    )
    release = added.release
    signed = ", detached signatures among them" if any(image.signatures for image in release.images) else ""
    state = f"added, with {count(added.blobs, 'new blob')} of {megabytes(added.size)}{signed}"
    if not added.is_new:
        state = "was there already"
        if added.blobs:
            state += f", {count(added.blobs, 'blob')} of {megabytes(added.size)} replaced"
    return Result(
        {
            "store": added.where,
            "product": release.product,
            "release": release.name,
            "sequence": release.sequence,
            "expires": expiry(release),
            "release_id": str(added.id),
            "images": len(release.images),
            "blobs": len(release.blobs),
            "blob_bytes": release.size,
            "is_new": added.is_new,
            "added": added.blobs,
            "added_bytes": added.size,
        },
        [
            f"{added.where}: release {release.title}, number {release.sequence}, "
            f"{count(len(release.images), 'image')}, "
            f"{count(len(release.blobs), 'blob')} of {megabytes(release.size)}: {state}"
        ],
        notes=added.warnings,
    )
