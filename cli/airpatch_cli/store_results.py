"""How the commands on a store show releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airpatch.units import megabytes
from airpatch_cli.bundle_results import expiry
from airpatch_cli.console import table

if TYPE_CHECKING:
    from airpatch import StoredRelease


def release_data(stored: StoredRelease) -> dict[str, object]:
    """Return a release as `--json` states it."""
    release = stored.release
    return {
        "product": release.product,
        "release": release.name,
        "sequence": release.sequence,
        "expires": expiry(release),
        "release_id": str(stored.id),
        "images": len(release.images),
        "blobs": len(release.blobs),
        "blob_bytes": release.size,
    }


def release_table(found: Sequence[StoredRelease]) -> list[str]:
    """Return a line for each release, below a heading."""
    rows = [
        [
            each.release.product,
            each.release.name,
            str(each.release.sequence),
            each.id.short,
            str(len(each.release.images)),
            megabytes(each.release.size),
        ]
        for each in found
    ]
    return table([["PRODUCT", "RELEASE", "NUMBER", "ID", "IMAGES", "SIZE"], *rows], right=(2, 4, 5))
