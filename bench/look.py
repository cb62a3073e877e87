"""`inspect` of a bundle of 10 GB: index, manifests and seek table are real, layers are a hole in the file.

`python -m bench.look` prints what it takes, and by strace the bytes that are read from the bundle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from airpatch.format import layout, tar, zstd
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Blob, Image, assemble
from bench.run import PROJECT, airpatch, compare, scratch

OCI = "application/vnd.oci.image"
IMAGES = 48
LAYER = 100 << 20
"""Bytes; each image has two such layers of its own."""


def main() -> None:
    with scratch() as place:
        bundle = place / "sparse.tar.zst"
        write_sparse(bundle)
        compare([airpatch("airpatch inspect", "inspect", bundle), airpatch("airpatch --help", "--help")], 9)
        print(f"  bytes read: {bytes_read(bundle):,} (of a file of {bundle.stat().st_size:,})")


def write_sparse(path: Path) -> None:
    layers = [Blob(Digest.of(b"layer %d" % i), LAYER - i, f"{OCI}.layer.v1.tar+gzip") for i in range(2 * IMAGES)]
    config = Blob(Digest.of(b"config"), 4000, f"{OCI}.config.v1+json")
    images, manifests = [], {}
    for number in range(IMAGES):
        content = manifest(config, layers[2 * number : 2 * number + 2])
        image = Image(ImageName(f"sparse/image{number}", "r1"), Digest.of(content))
        images.append(image)
        manifests[image.manifest] = content
    index = Index.full(assemble(images, manifests))
    frames = []
    with path.open("wb") as file:

        def content_of(member: layout.Member) -> bytes:
            if member.content is not None:
                return member.content
            assert member.digest is not None
            return manifests[member.digest]

        def real(plan: layout.FramePlan) -> None:
            members = [piece.member for piece in plan.pieces]
            frame = zstd.compress(b"".join(m.header + content_of(m) + tar.padding(m.size) for m in members))
            file.write(frame)
            frames.append(zstd.Frame(len(frame), plan.content, zstd.trailer(frame)))

        def hole(plan: layout.FramePlan) -> None:
            size = zstd.raw_size(plan.content)
            file.seek(size, os.SEEK_CUR)
            frames.append(zstd.Frame(size, plan.content, 0))

        for plan in layout.index_section(emit_index(index)):
            real(plan)
        for plan in layout.data_section(index):
            hole(plan)
        for plan in layout.manifests_section(index):
            real(plan)
        file.write(zstd.emit_seek_table(frames))


def manifest(config: Blob, layers: list[Blob]) -> bytes:
    def descriptor(blob: Blob) -> dict[str, object]:
        return {"mediaType": blob.media_type, "digest": str(blob.digest), "size": blob.size}

    content = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": descriptor(config),
        "layers": [descriptor(layer) for layer in layers],
    }
    return json.dumps(content).encode()


def bytes_read(bundle: Path) -> int:
    """Bytes that inspecting reads from the bundle, by strace."""
    command = [sys.executable, "-m", "airpatch_cli.main", "inspect", str(bundle), "-q"]
    trace = ["strace", "-f", "-e", "trace=pread64,preadv,preadv2,read", "-P", str(bundle), *command]
    output = subprocess.run(trace, cwd=PROJECT, capture_output=True, text=True, check=True).stderr
    results = (line.rpartition("= ")[2].split() for line in output.splitlines() if " = " in line)
    return sum(int(words[0]) for words in results if words and words[0].isdigit())


if __name__ == "__main__":
    main()
