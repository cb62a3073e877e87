"""`airpatch apply`: bundles into a registry's storage."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch import Applied
from airpatch.units import count, megabytes
from airpatch_cli.console import Console, Result
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    done = airpatch.apply(
        args.bundles,
        args.root,
        deep=args.deep,
        allow_downgrade=args.allow_downgrade,
        dry_run=args.dry_run,
        request=args.request,
        restore_to=args.restore,
        files_to=args.files_to,
        form=args.kind or "dir",
        link=args.link or "copy",
        trusted=trusted(args),
        execution=console.execution,
    )
    is_new = any(applied.is_new for applied in done.applied)
    lines = [line for applied in done.applied for line in _lines(applied, dry=args.dry_run)]
    if is_new:
        lines.insert(0, f"{'there would be a ' if args.dry_run else ''}new registry at {args.root}")
    data: dict[str, object] = {
        "applied": [_data(applied) for applied in done.applied],
        "dry_run": args.dry_run,
        "new_registry": is_new,
        "files": done.files,
        "restored": None if done.restored is None else str(done.restored.output),
    }
    if done.restored is not None:
        release = done.applied[-1].index.release
        lines.append(f"{done.restored.output}: {count(len(release.images), 'image')} of {release.title} restored")
    if done.files is not None:
        lines.append(f"{args.files_to}: files, folders and links laid out: {done.files:,}")
    if not args.dry_run:
        lines.append(f"took {console.seconds:.1f} s")
    return Result(data, lines, 0 if done.is_possible else airpatch.BaseMismatch.exit_code, notes=done.warnings)


def _data(applied: Applied) -> dict[str, object]:
    release = applied.index.release
    return {
        "product": release.product,
        "release": release.name,
        "sequence": release.sequence,
        "release_id": str(applied.index.release_id),
        "images": len(release.images),
        "written": [{"digest": str(b.digest), "bytes": b.size} for b in applied.written],
        "written_bytes": applied.bytes,
        "healed": [str(b.digest) for b in applied.healed],
        "missing": [{"digest": str(b.digest), "bytes": b.size} for b in applied.missing],
        "tags": [str(name) for name in applied.tags],
        "going_back_from": applied.left,
    }


def _lines(applied: Applied, *, dry: bool) -> list[str]:
    release = applied.index.release
    blobs = f"{count(len(applied.written), 'blob')} of {megabytes(applied.bytes)}"
    if dry:
        would = f"{blobs} would be written" if applied.written else "no blob would have to be written"
        lines = [f"release {release.title}: {would}"]
        lines += [f"  missing: {line}" for line in applied.missing_by_image]
    elif applied.written or applied.tags:
        lines = [f"release {release.title}: {blobs} written, {count(len(applied.tags), 'tag')} set"]
    else:
        lines = [f"release {release.title}: all blobs and tags were there already"]
    if applied.left is not None:
        lines.insert(0, f"release {release.title} {'would take' if dry else 'takes'} the place of {applied.left}")
    if applied.healed:
        verb = (
            "would be replaced"
            if dry
            else "replaced; restart a registry that serves this root, since it may have cached sizes"
        )
        lines += [f"  blobs with wrong content, {verb}:", *(f"    {blob.digest}" for blob in applied.healed)]
    return lines
