"""Full bundles whose layers travel as uncompressed data: size and time of `create --repack`, and of `apply` of what it
makes.

`python -m bench.repack TREE [EFFORT...]` takes a tree of `dir:` images, by default the small one in `fixtures/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.run import PROJECT, airpatch, emptied, measure, scratch

EXAMPLE = PROJECT / "fixtures" / "images" / "r2"


def main() -> None:
    tree = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE
    with scratch() as place:
        plain, repacked, root = place / "plain.tar.zst", place / "repacked.tar.zst", place / "root"
        measure(airpatch("create", "create", tree, "-o", plain, "-q"))
        print(f"as blobs: {plain.stat().st_size:,} bytes")
        for effort in sys.argv[2:] or ("fast", "default", "best"):
            options = ["--repack", "--effort", effort]
            create = airpatch(f"create {' '.join(options)}", "create", *options, tree, "-o", repacked, "-q")
            apply = airpatch("apply", "apply", repacked, "--root", root, "-q", prepare=emptied(root))
            for command in (create, apply):
                run = measure(command)
                print(f"{command.name}: {run.wall:.1f} s, {run.cpu:.1f} s of CPU time, {run.memory:.0f} MiB")
            print(f"  {repacked.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
