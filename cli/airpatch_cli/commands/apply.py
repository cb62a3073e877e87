"""`airpatch apply`: bundles into a registry's storage."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from airpatch.archive.frame_reader import open_frames
from airpatch.blobs.content import read_blob
from airpatch.blobs.output import output_file
from airpatch.blobs.tree import Tree
from airpatch.errors import AirpatchError, UsageError
from airpatch.format import registry
from airpatch.format.index import Index
from airpatch.format.inventories import emit
from airpatch.format.layout import image_signature_paths
from airpatch.model.names import is_servable
from airpatch.model.release import Blob, Release
from airpatch.sources.image_files import TreeContent
from airpatch.target.installer import Applied, Options, apply, rehearse
from airpatch.target.stocktaking import make_request
from airpatch_cli.commands import restore
from airpatch_cli.console import Console, Result, count, megabytes

MISSING = 5
"""The exit code of a dry run that finds blobs missing: that of BaseMismatch."""


def run(args: Namespace, console: Console) -> Result:
    options = Options(
        deep=args.deep,
        allow_downgrade=args.allow_downgrade,
        jobs=args.jobs,
        progress=console.progress.advance,
        announce=console.progress.start,
        on_missing=lambda index, missing: _write_request(args.request, index, missing, console),
    )
    if args.restore and args.dry_run:
        raise UsageError("--restore and --dry-run exclude each other: nothing will be there to restore")
    feeds = [open_frames(name) for name in args.bundles]
    try:
        done = (rehearse if args.dry_run else apply)(feeds, args.root, options)
    finally:
        for reader in feeds:
            reader.close()
    is_new = any(applied.is_new for applied in done)
    lines = [line for applied in done for line in _lines(applied, dry=args.dry_run)]
    if is_new:
        lines.insert(0, f"{'there would be a ' if args.dry_run else ''}new registry at {args.root}")
    data: dict[str, object] = {
        "applied": [_data(applied) for applied in done],
        "dry_run": args.dry_run,
        "new_registry": is_new,
    }
    if args.restore:
        release = done[-1].index.release
        _restore(release, args, console)
        data["restored"] = str(args.restore)
        lines.append(f"{args.restore}: {count(len(release.images), 'image')} of {release.name} restored")
    _warn_of_ports(done, console)
    missing = any(applied.missing for applied in done)
    return Result(data, lines, MISSING if missing else 0)


def _warn_of_ports(done: Sequence[Applied], console: Console) -> None:
    """A registry cannot serve every repository that can be restored; say so where one may be serving the root."""
    names = {name.repository for applied in done for name in applied.tags}
    if unservable := sorted(name for name in names if not is_servable(name)):
        console.note(
            "a registry cannot serve these repositories, nor collect garbage while they are there, because of the port "
            f"in their names; restore gives them back: {', '.join(unservable)}"
        )


def _restore(release: Release, args: Namespace, console: Console) -> None:
    """Restore `release`, which was applied; its own manifests, whatever a push has done to its tags since."""
    signatures = {
        signature.digest: path for image in release.images for path, signature in image_signature_paths(image)
    }
    content = TreeContent(Tree(args.root), registry.blob_path, signatures)
    try:
        manifests = {b.digest: read_blob(content, b.digest, b.size) for b in release.blobs if b.is_manifest}
        restore.write(release.images, manifests, content, args.restore, args, console)
    except AirpatchError as error:
        message = f"release {release.name} was applied, but its images were not restored: {error.message}"
        raise type(error)(message, error.findings) from None


def _write_request(path: Path | None, index: Index, missing: Sequence[Blob], console: Console) -> None:
    if path is not None:
        with output_file(path) as sink:
            sink.write([emit(make_request(index, missing))])
        console.note(f"{path}: request for {count(len(missing), 'blob')} of release {index.release.name}")


def _data(applied: Applied) -> dict[str, object]:
    release = applied.index.release
    return {
        "release": release.name,
        "sequence": release.sequence,
        "release_id": str(applied.index.release_id),
        "images": len(release.images),
        "written": [{"digest": str(b.digest), "bytes": b.size} for b in applied.written],
        "written_bytes": applied.bytes,
        "healed": [str(b.digest) for b in applied.healed],
        "missing": [{"digest": str(b.digest), "bytes": b.size} for b in applied.missing],
        "tags": [str(name) for name in applied.tags],
    }


def _lines(applied: Applied, *, dry: bool) -> list[str]:
    release = applied.index.release
    blobs = f"{count(len(applied.written), 'blob')} of {megabytes(applied.bytes)}"
    if dry:
        lines = [f"release {release.name}: {blobs} would be written"]
        lines += [f"  missing: {blob.digest} {megabytes(blob.size)}" for blob in applied.missing]
    elif applied.written or applied.tags:
        lines = [f"release {release.name}: {blobs} written, {count(len(applied.tags), 'tag')} set"]
    else:
        lines = [f"release {release.name}: all of it was there already"]
    if applied.healed:
        verb = (
            "would be replaced" if dry else "replaced; restart a registry that serves this root, it may remember sizes"
        )
        lines += [f"  blobs with wrong content, {verb}:", *(f"    {blob.digest}" for blob in applied.healed)]
    return lines
