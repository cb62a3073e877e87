"""`airpatch restore`: images out of a registry's root, a bundle or any other source."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import NewFile, files_beside
from airpatch.destinations.restorer import Form, content_size, restore
from airpatch.destinations.transfer import Link
from airpatch.model.digest import Digest
from airpatch.model.release import Image
from airpatch.sources.gather import gather
from airpatch_cli.commands.create import rebuilding
from airpatch_cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    gathered = gather([args.source], rebuilding(_scratch_files(args.output), args, console), picks=args.images)
    images = gathered.release.images
    size = write(images, gathered.manifests, gathered.content, args.output, args, console)
    return Result(
        {
            "output": str(args.output),
            "as": args.kind,
            "images": [{"name": str(image.name), "manifest": str(image.manifest)} for image in images],
            "blob_bytes": size,
        },
        [f"{args.output}: {count(len(images), 'image')} restored, {megabytes(size)} of distinct content"],
    )


def _scratch_files(out: Path) -> NewFile:
    """Scratch files where the images go, or as near to it as there is a folder."""
    out = out.resolve()
    return files_beside(next(folder for folder in (out, *out.parents) if folder.is_dir()))


def write(
    images: Sequence[Image],
    manifests: Mapping[Digest, bytes],
    content: Content,
    out: Path,
    args: Namespace,
    console: Console,
) -> int:
    """Restore to `out` as the options say; returns the bytes of content, each blob once."""
    size = content_size(images, manifests)
    console.progress.start("restoring", size)
    restore(
        images,
        manifests,
        content,
        out,
        form=Form(args.kind),
        link=Link(args.link),
        jobs=args.jobs,
        progress=console.progress.advance,
    )
    return size
