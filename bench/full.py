"""Full bundles against the seed way: hard links into a registry's storage, `tar | zstd` or `tar | gzip`, and back.

`python -m bench.full TREE` takes a tree of `dir:` images, by default the small one in `fixtures/`. Caches are warm.
The last column says how many times as long as that command the first one takes: above 1, airpatch is slower.
With `--earlier`, commit e486880, which `bench/earlier.py` builds, takes its turn beside airpatch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.earlier import COMMIT, Side, earlier_tree
from bench.run import PROJECT, compare, emptied, scratch, shell

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, nargs="?", default=EXAMPLE)
    parser.add_argument("--earlier", action="store_true", help=f"measure commit {COMMIT}, too")
    args = parser.parse_args()
    tree = args.tree

    with scratch() as place:
        images = place / "images"
        subprocess.run(["cp", "-a", tree, images], check=True)
        storage = place / "storage"
        seed_way(images, storage)
        zst, gz, plain = place / "b.tar.zst", place / "c.tar.gz", place / "plain"
        sides = [Side(place / "ours")]
        if args.earlier:
            sides.append(Side(place / COMMIT, earlier_tree()))
        create, apply, inspect = [], [], []
        for side in sides:
            side.folder.mkdir()
            bundle, root = side.folder / "a.tar.zst", side.folder / "root"
            create.append(side.command("create", images, "-o", bundle, "-q", prepare=emptied(bundle)))
            apply.append(side.command("apply", bundle, "--root", root, "-q", prepare=emptied(root)))
            inspect.append(side.command("inspect", bundle))
        tar_zstd = shell("tar | zstd -T0 -3", f"tar -C {storage} -cf - . | zstd -T0 -3 -q -o {zst}", emptied(zst))
        linked, seeded = place / "linked", place / "seeded.tar.zst"
        seed = shell(
            "hard links, tar | zstd -T0 -3",
            f"{sys.executable} -m bench.full --seed {images} {linked}; "
            f"tar -C {linked} -cf - . | zstd -T0 -3 -q -o {seeded}",
            emptied(linked, seeded),
        )
        print("create:")
        compare([*create, tar_zstd, seed], times=14)
        print("create against gzip:")
        tar_gzip = shell("tar | gzip", f"tar -C {storage} -cf - . | gzip > {gz}", emptied(gz))
        compare([create[0], tar_gzip], times=1)
        print("apply into an empty root, on disk at the end:")
        extract = f"mkdir {plain}; tar --zstd -xf {zst} -C {plain}; sync -f {plain}"
        compare([*apply, shell("tar --zstd -xf, sync -f", extract, emptied(plain))], times=14)
        print("sizes:")
        for path in (sides[0].folder / "a.tar.zst", zst, gz):
            print(f"  {path.name:<12}{path.stat().st_size:>14,} bytes")
        print("start:")
        compare([side.command("--help") for side in sides], times=14)
        compare(inspect, times=14)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seed"]:
        seed_way(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
