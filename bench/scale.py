"""How cost grows: 1, 2 and 4 times a tree of images, and 10,000 tiny images.

`python -m bench.scale TREE` takes a tree of `dir:` images, by default the small one in `fixtures/`. Copies of the tree
get layers of their own by bytes at the end of each blob, so that nothing is shared between them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.run import PROJECT, airpatch, compare, emptied, scratch, shell

EXAMPLE = PROJECT / "fixtures" / "images" / "r2"
TINY_IMAGES = 10_000
OCI = "application/vnd.oci.image"


def main() -> None:
    tree = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE
    with scratch() as place:
        for factor in (1, 2, 4):
            images = place / f"times{factor}"
            for copy in range(factor):
                varied_copy(tree, images / f"copy{copy}", copy)
            print(f"{factor} x the tree:")
            create_and_apply(images, place)
            shutil.rmtree(images)
        images = place / "tiny"
        for number in range(TINY_IMAGES):
            write_image(images / f"tiny/image{number}:r1", [f"image {number}".encode() * 20])
        print(f"{TINY_IMAGES:,} tiny images:")
        create_and_apply(images, place)


def create_and_apply(images: Path, place: Path) -> None:
    bundle, root, plain = place / "b.tar.zst", place / "root", place / "plain"
    times = 1 if "tiny" in images.name else 3
    compare([airpatch("airpatch create", "create", images, "-o", bundle, "-q")], times)
    unpack = f"mkdir {plain}; tar --zstd -xf {bundle} -C {plain}; sync -f {plain}"
    compare(
        [
            airpatch("airpatch apply", "apply", bundle, "--root", root, "-q", prepare=emptied(root)),
            shell("tar --zstd -xf, sync -f", unpack, emptied(plain)),
        ],
        times,
    )


def varied_copy(tree: Path, target: Path, number: int) -> None:
    """A copy whose blobs differ from those of other copies; only image manifests that name their blobs are kept."""
    for manifest in sorted(tree.rglob("manifest.json")):
        content = json.loads(manifest.read_bytes())
        if "layers" not in content:
            continue
        folder = target / manifest.parent.relative_to(tree)
        folder.mkdir(parents=True)
        for descriptor in [content["config"], *content["layers"]]:
            blob = (manifest.parent / descriptor["digest"][7:]).read_bytes() + b"\n" * number
            descriptor |= _put(folder, blob)
        (folder / "manifest.json").write_text(json.dumps(content))


def write_image(folder: Path, texts: list[bytes]) -> None:
    """An image of one small gzip layer for each text."""
    folder.mkdir(parents=True)
    layers, diff_ids = [], []
    for text in texts:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            member = tarfile.TarInfo("etc/text")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        diff_ids.append(f"sha256:{hashlib.sha256(stream.getvalue()).hexdigest()}")
        layer = gzip.compress(stream.getvalue(), mtime=0)
        layers.append({"mediaType": f"{OCI}.layer.v1.tar+gzip", **_put(folder, layer)})
    write_manifest(folder, layers, diff_ids)


def write_manifest(folder: Path, layers: Sequence[Mapping[str, object]], diff_ids: Sequence[str]) -> None:
    """What an image has beside its layers, which are described as a manifest does."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": {"mediaType": f"{OCI}.config.v1+json", **_put(folder, config.encode())},
        "layers": layers,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")


def _put(folder: Path, blob: bytes) -> dict[str, object]:
    digest = hashlib.sha256(blob).hexdigest()
    (folder / digest).write_bytes(blob)
    return {"digest": f"sha256:{digest}", "size": len(blob)}


if __name__ == "__main__":
    main()
