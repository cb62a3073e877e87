"""`airpatch verify`: a check of every byte of a bundle or of a registry's root, with all findings."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch import VerifiedBundle, VerifiedRoot
from airpatch.units import count, megabytes
from airpatch_cli.bundle_results import expiry
from airpatch_cli.console import Console, Result
from airpatch_cli.trust_options import trusted


def run(args: Namespace, console: Console) -> Result:
    verified = airpatch.verify(
        args.subject,
        base=args.base,
        request=args.request,
        trusted=trusted(args),
        manifest=args.output,
        execution=console.execution,
    )
    if isinstance(verified, VerifiedBundle):
        return _bundle(args.subject[0], verified, args.output)
    return _root(args.subject[0], verified)


def _bundle(subject: str, verified: VerifiedBundle, manifest: str | None) -> Result:
    index = verified.index
    size = sum(blob.size for blob in index.stored)
    patched = sum(blob.size for blob in index.patched)
    kind = "bundle" if index.is_full else "patch"
    patches = f" and layer patches for {count(len(index.patched), 'blob')} of {megabytes(patched)}" if patched else ""
    proof = ", and the layer patches make their blobs" if verified.patches_proved else ""
    return Result(
        {
            "kind": kind,
            "name": subject,
            "product": index.release.product,
            "release": index.release.name,
            "sequence": index.release.sequence,
            "expires": expiry(index.release),
            "release_id": str(index.release_id),
            "images": len(index.release.images),
            "blobs": len(index.stored),
            "blob_bytes": size,
            "patched": len(index.patched),
            "patched_bytes": patched,
            "carried_out": verified.patches_proved,
            "signed_by": [str(signer) for signer in verified.signers],
            "manifest": manifest,
        },
        [
            f"{verified.name}: {kind} of release {index.release.title} with "
            f"{count(len(index.release.images), 'image')}, "
            f"{count(len(index.stored), 'blob')} of {megabytes(size)}{patches}: every byte is correct{proof}",
            *(f"  signed by {signer}" for signer in verified.signers),
        ],
        notes=verified.warnings,
    )


def _root(subject: str, verified: VerifiedRoot) -> Result:
    return Result(
        {
            "kind": "root",
            "name": subject,
            "blobs": verified.blobs,
            "blob_bytes": verified.bytes,
            "repositories": verified.repositories,
            "tags": verified.tags,
            "releases": verified.releases,
            "incomplete": list(verified.incomplete),
            "notes": list(verified.notes),
        },
        [
            f"{subject}: {count(verified.releases, 'release')}, {count(verified.tags, 'tag')}, "
            f"{count(verified.blobs, 'blob')} of {megabytes(verified.bytes)}: every byte "
            f"{'that is there ' if verified.incomplete else ''}is correct",
            *(f"  release {name} is incomplete" for name in verified.incomplete),
        ],
        notes=verified.notes,
    )
