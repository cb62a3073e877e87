"""`airpatch verify`: every byte of a bundle or of a registry's root, with all findings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from airpatch.archive.frame_reader import open_frames
from airpatch.blobs.scratch import files_beside
from airpatch.errors import AirpatchError, FormatError, IntegrityError, UsageError
from airpatch.format.registry import STORAGE
from airpatch.layers.proof import Base, verify
from airpatch.layers.rebuilt import Rebuilding
from airpatch.target.audit import verify_root
from airpatch.target.root import Root
from airpatch_cli.commands.create import rebuilding
from airpatch_cli.console import Console, Result, count, megabytes


def run(args: Namespace, console: Console) -> Result:
    path = Path(args.subject)
    if path.is_dir():
        if args.base is not None:
            raise UsageError("--base is for verifying a patch")
        return _root(path, args, console)
    return _bundle(args.subject, args, console)


def _bundle(name: str, args: Namespace, console: Console) -> Result:
    options = rebuilding(files_beside(Path()), args, console)
    with closing(open_frames(name)) as reader:
        verified = verify(reader, options, _base(args.base, options) if args.base is not None else None)
    if verified.findings:
        raise _error(reader.name, verified.findings)
    index = verified.index
    size = sum(blob.size for blob in index.stored)
    patched = sum(blob.size for blob in index.patched)
    kind = "bundle" if index.is_full else "patch"
    patches = f" and layer patches for {count(len(index.patched), 'blob')} of {megabytes(patched)}" if patched else ""
    carried_out = bool(index.patched) and (index.is_full or args.base is not None)
    proof = ", and the patches make their blobs" if carried_out else ""
    return Result(
        {
            "kind": kind,
            "name": name,
            "release": index.release.name,
            "sequence": index.release.sequence,
            "release_id": str(index.release_id),
            "images": len(index.release.images),
            "blobs": len(index.stored),
            "blob_bytes": size,
            "patched": len(index.patched),
            "patched_bytes": patched,
            "carried_out": carried_out,
        },
        [
            f"{reader.name}: {kind} of release {index.release.name} with {count(len(index.release.images), 'image')}, "
            f"{count(len(index.stored), 'blob')} of {megabytes(size)}{patches}: every byte is right{proof}"
        ],
    )


def _base(name: str, options: Rebuilding) -> Base:
    # Here, because most bundles are verified without a base.
    from airpatch.patches.bases import sources

    return lambda index: sources(name, index, options)


def _error(name: str, errors: Sequence[AirpatchError]) -> AirpatchError:
    """One error of all findings: of content if the bundle's form is right, of form if not."""
    kind = FormatError if any(isinstance(error, FormatError) for error in errors) else IntegrityError
    findings = [text.removeprefix(f"{name}: ") for error in errors for text in (error.message, *error.findings)]
    return kind(f"{name}: is damaged; {count(len(findings), 'finding')}", findings)


def _root(path: Path, args: Namespace, console: Console) -> Result:
    with Root(path) as root:
        if not root.is_folder(STORAGE):
            raise UsageError(f"{path}: is neither a bundle nor a registry's root, which holds {STORAGE}")
        verified = verify_root(root, jobs=args.jobs, progress=console.progress.advance, announce=console.progress.start)
    for note in verified.notes:
        console.note(note)
    if verified.findings:
        raise IntegrityError(f"{path}: {count(len(verified.findings), 'finding')}", verified.findings)
    return Result(
        {
            "kind": "root",
            "name": str(path),
            "blobs": verified.blobs,
            "blob_bytes": verified.bytes,
            "repositories": verified.repositories,
            "tags": verified.tags,
            "releases": verified.releases,
            "notes": list(verified.notes),
        },
        [
            f"{path}: {count(verified.releases, 'release')}, {count(verified.tags, 'tag')}, "
            f"{count(verified.blobs, 'blob')} of {megabytes(verified.bytes)}: every byte is right"
        ],
    )
