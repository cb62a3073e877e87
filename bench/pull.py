"""Carry a release to a root by a patch, and pull each image by skopeo from Debian's registry: sizes and digests.

`python -m bench.pull OLD NEW [DIFF OPTION...]` takes two trees of `dir:` images, by default the small ones in
`fixtures/`. It ends with an error unless every image comes out of the registry as it is in NEW.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import airpatch
from airpatch.archive.bundle_file import BundleFile
from airpatch.layers.recipe import method_name, read_header
from bench.run import PROJECT, measure, scratch
from bench.run import airpatch as airpatch_command
from tests.registry.server import serving, skopeo_pull

_EXAMPLES = [PROJECT / "fixtures" / "images" / release for release in ("r1", "r2")]


def main() -> None:
    old, new = map(Path, sys.argv[1:3]) if len(sys.argv) > 2 else _EXAMPLES
    with scratch() as place:
        base, patch, root = place / "old.tar.zst", place / "patch.tar.zst", place / "root"
        airpatch.create(old, base)
        airpatch.apply(base, root)
        words: list[str | Path] = ["diff", "--base", base, new, "-o", patch, "-q", *sys.argv[3:]]
        for run in (airpatch_command("diff", *words), airpatch_command("apply", "apply", patch, "--root", root, "-q")):
            took = measure(run)
            print(f"{run.name}: {took.cpu:.1f} s of processor time, {took.memory:.0f} MiB")
        print(f"patch: {patch.stat().st_size:,} bytes")
        with BundleFile(str(patch)) as bundle:
            _print_layers(bundle)
            names = [str(image.name) for image in bundle.index.release.images]
        with serving(root, place) as registry:
            for name in names:
                pulled = place / "pulled"
                skopeo_pull(registry, name, pulled)
                if _digests(pulled) != _digests(new / name):
                    raise SystemExit(f"{name}: is not what {new} has")
                shutil.rmtree(pulled)
        print(f"{len(names)} images pulled, each as it is in {new}")


def _print_layers(bundle: BundleFile) -> None:
    """Print what each layer takes, by method, and what travels whole."""
    for step in bundle.index.steps:
        with closing(bundle.open(step.patch, step.patch_size)) as reader:
            method = method_name(read_header(reader, step.patch_size).method)
        print(f"  {step.digest.short} {method:28} {step.patch_size:12,} of {step.size:12,}")
    for blob in bundle.index.stored:
        if not blob.is_manifest:
            print(f"  {blob.digest.short} {'whole':28} {blob.size:12,}")


def _digests(folder: Path) -> Counter[str]:
    """Return the digests of all files of an image but for `version` and signatures, which registries do not serve."""
    files = (path for path in folder.iterdir() if path.name != "version" and "signature-" not in path.name)
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


if __name__ == "__main__":
    main()
