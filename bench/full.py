"""Full bundles against the seed way: hard links into a registry's storage, `tar | zstd` or `tar | gzip`, and back.

`python -m bench.full TREE` takes a tree of `dir:` images, by default the small one in `fixtures/`. Caches are warm.
The last column says how many times as long as that command the first one takes: above 1, airpatch is slower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.run import PROJECT, airpatch, compare, emptied, scratch, shell

EXAMPLE = PROJECT / "fixtures" / "images" / "r2"


def seed_way(tree: Path, storage: Path) -> None:
    """What airpatch replaces: every blob of every image hard-linked once into a registry's storage, with its links."""
    repositories = storage / "docker/registry/v2/repositories"
    for manifest in sorted(tree.rglob("manifest.json")):
        name, _, tag = str(manifest.parent.relative_to(tree)).rpartition(":")
        content = json.loads(manifest.read_bytes())
        digest = subprocess.run(["sha256sum", manifest], capture_output=True, check=True, text=True).stdout[:64]
        _link(manifest, storage, digest)
        names = [d["digest"][7:] for d in [content.get("config"), *content.get("layers", [])] if d]
        for hexdigest in names:
            _link(manifest.parent / hexdigest, storage, hexdigest)
            _text(repositories / name / f"_layers/sha256/{hexdigest}/link", hexdigest)
        for place in (f"revisions/sha256/{digest}", f"tags/{tag}/index/sha256/{digest}", f"tags/{tag}/current"):
            _text(repositories / name / "_manifests" / place / "link", digest)


def _link(source: Path, storage: Path, digest: str) -> None:
    target = storage / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        os.link(source, target)


def _text(path: Path, digest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"sha256:{digest}")


def main() -> None:
    tree = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE
    with scratch() as place:
        images = place / "images"
        subprocess.run(["cp", "-a", tree, images], check=True)
        storage = place / "storage"
        seed_way(images, storage)
        bundle, zst, gz = place / "a.tar.zst", place / "b.tar.zst", place / "c.tar.gz"
        create = airpatch("airpatch create", "create", images, "-o", bundle, "-q", prepare=emptied(bundle))
        tar_zstd = shell("tar | zstd -T0 -3", f"tar -C {storage} -cf - . | zstd -T0 -3 -q -o {zst}", emptied(zst))
        linked, seeded = place / "linked", place / "seeded.tar.zst"
        seed = shell(
            "hard links, tar | zstd -T0 -3",
            f"{sys.executable} -m bench.full --seed {images} {linked}; "
            f"tar -C {linked} -cf - . | zstd -T0 -3 -q -o {seeded}",
            emptied(linked, seeded),
        )
        print("create:")
        compare([create, tar_zstd, seed], times=14)
        print("create against gzip:")
        tar_gzip = shell("tar | gzip", f"tar -C {storage} -cf - . | gzip > {gz}", emptied(gz))
        compare([create, tar_gzip], times=1)
        print("apply into an empty root, on disk at the end:")
        root, plain = place / "root", place / "plain"
        compare(
            [
                airpatch("airpatch apply", "apply", bundle, "--root", root, "-q", prepare=emptied(root)),
                shell(
                    "tar --zstd -xf, sync -f",
                    f"mkdir {plain}; tar --zstd -xf {zst} -C {plain}; sync -f {plain}",
                    emptied(plain),
                ),
            ],
            times=14,
        )
        print("sizes:")
        for path in (bundle, zst, gz):
            print(f"  {path.name:<12}{path.stat().st_size:>14,} bytes")
        print("start:")
        compare([airpatch("airpatch --help", "--help"), airpatch("airpatch inspect", "inspect", bundle)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seed"]:
        seed_way(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
