"""Sizes of patches, compared with fixtures/patch_sizes.json so that no change makes them larger unnoticed.

    python -m tests.patches.sizes        measure them, and write the file again

Sizes may only fall. A patch is measured of the two releases in fixtures/images, and of one changed layer under each
kind of encoder, with each effort.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import zstandard

import airpatch
from airpatch.encoders.replicas import usual_names
from tests.layers.support import changed, deflated, flushed, layer, members, replica
from tests.support import Builder

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = PROJECT / "fixtures" / "images"
SIZES = PROJECT / "fixtures" / "patch_sizes.json"
EFFORTS = ("fast", "default", "best")

ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "uncompressed": bytes,
    "zstd": zstandard.ZstdCompressor(3).compress,
    "several members": members,
    "flushed": flushed,
    "fixed codes": deflated(6, zlib.Z_FIXED),
    "unknown": lambda uncompressed: gzip.compress(uncompressed, 4, mtime=0),
    **{name: replica(name) for name in usual_names()},
}


def measure() -> Iterator[tuple[str, int]]:
    """The name of each case, and the size of its patch in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        airpatch.create(IMAGES / "r1", folder / "r1")
        for effort in EFFORTS:
            airpatch.diff(folder / "r1", IMAGES / "r2", folder / "patch", effort=effort)
            yield f"fixtures/images, {effort}", (folder / "patch").stat().st_size
        uncompressed = layer(*range(12), size=9000)
        for encoder, encode in ENCODERS.items():
            for file, content in (("old", uncompressed), ("new", changed(uncompressed))):
                builder = Builder()
                builder.tag("shop/web:latest", builder.picture([encode(content)]))
                (folder / file).write_bytes(builder.bundle())
            airpatch.diff(folder / "old", folder / "new", folder / "patch")
            yield f"a layer, {encoder}", (folder / "patch").stat().st_size


def main() -> None:
    SIZES.write_text(json.dumps(dict(measure()), indent=1) + "\n")


if __name__ == "__main__":
    main()
