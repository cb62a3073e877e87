"""Patches: sizes and times of `diff` and `apply`, and of other tools on the same layers.

`python -m bench.patches OLD NEW` takes two trees of `dir:` images, by default the small ones in `fixtures/`. `xdelta3`,
`bsdiff` and `zstd --patch-from` get the pairs of changed gzip layers that `airpatch` chose, compressed and unpacked;
unpacked, they lose the digest. bsdiff gets pairs of at most 64 MB, since it takes 17 times their size in memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.run import PROJECT, Command, airpatch, compare, emptied, measure, scratch, shell
from bundle.archive.bundle_file import BundleFile
from bundle.archive.content import pieces

EXAMPLES = [PROJECT / "fixtures" / "images" / release for release in ("r1", "r2")]
_BSDIFF_LIMIT = 64_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """An old and a new layer, as files: as they are, and unpacked."""

    old: Path
    new: Path
    old_plain: Path
    new_plain: Path


def main() -> None:
    old, new = (Path(argument) for argument in sys.argv[1:3]) if len(sys.argv) > 2 else EXAMPLES
    with scratch() as place:
        base, patch, root = place / "old.tar.zst", place / "patch.tar.zst", place / "root"
        measure(airpatch("create", "create", old, "-o", base, "-q"))

        def installed() -> None:
            emptied(root)()
            measure(airpatch("apply", "apply", base, "--root", root, "-q"))

        print("whole blobs:")
        whole = place / "whole.tar.zst"
        compare(
            [airpatch("diff --no-layer-patches", "diff", "--base", base, new, "-o", whole, "-q", "--no-layer-patches")]
        )
        blobs, copied = place / "blobs", place / "copied"
        stored_blobs(whole, blobs)
        compare(
            [
                airpatch("apply", "apply", whole, "--root", root, "-q", prepare=installed),
                shell("cp of its blobs, sync -f", f"cp -r {blobs} {copied}; sync -f {copied}", emptied(copied)),
            ]
        )
        print(f"  {whole.stat().st_size:,} bytes")
        for effort in ("fast", "default", "best"):
            print(f"layer patches, --effort {effort}:")
            command = ["diff", "--base", base, new, "-o", patch, "-q", "--effort", effort]
            compare([airpatch(f"diff --effort {effort}", *command)], 1)
            compare([airpatch("apply", "apply", patch, "--root", root, "-q", prepare=installed)], 1)
            print(f"  {patch.stat().st_size:,} bytes; {plaintext(patch):,} bytes of changed plaintext")
        pairs = find_pairs(patch, old, new, place)
        for name, line in TOOLS.items():
            compare_tool(name, line, pairs, place)


def stored_blobs(patch: Path, folder: Path) -> None:
    """Every blob that travels whole, as a file."""
    folder.mkdir()
    bundle = BundleFile(str(patch))
    for blob in bundle.index.stored:
        with (folder / blob.digest.hex).open("wb") as file:
            file.writelines(pieces(bundle.open(blob.digest, blob.size), blob.size))


def plaintext(patch: Path) -> int:
    """Bytes of plaintext of all layers that the patch rebuilds."""
    return sum(step.plaintext for step in BundleFile(str(patch)).index.steps)


def find_pairs(patch: Path, old: Path, new: Path, place: Path) -> list[Pair]:
    """The patched gzip layers, each with its first source, unpacked beside each other."""
    blobs = {path.name: path for tree in (old, new) for path in tree.rglob("*") if len(path.name) == 64}
    pairs = []
    for number, step in enumerate(BundleFile(str(patch)).index.steps):
        if not step.sources or not {step.digest.hex, step.sources[0].hex} <= blobs.keys():
            continue
        pair = Pair(blobs[step.sources[0].hex], blobs[step.digest.hex], place / f"old{number}", place / f"new{number}")
        if all(path.read_bytes()[:2] == b"\x1f\x8b" for path in (pair.old, pair.new)):
            for packed, plain in ((pair.old, pair.old_plain), (pair.new, pair.new_plain)):
                with plain.open("wb") as output:
                    subprocess.run(["gzip", "-dc", packed], stdout=output, check=True)
            pairs.append(pair)
    return pairs


# -D: else xdelta3 unpacks gzip files, and packs them again with the machine's gzip.
TOOLS = {
    "xdelta3 -9": "xdelta3 -e -f -D -9 -B 536870912 -s {old} {new} {out}",
    "bsdiff": "bsdiff {old} {new} {out}",
    "zstd -19 --patch-from": "zstd -19 --ultra --long=31 -q -f --patch-from={old} {new} -o {out}",
}


def compare_tool(name: str, line: str, pairs: list[Pair], place: Path) -> None:
    if shutil.which(name.split()[0]) is None:
        print(f"{name}: not installed")
        return
    out = place / "delta"
    for kind, sides in (
        ("compressed", [(p.old, p.new) for p in pairs]),
        ("unpacked, digest lost", [(p.old_plain, p.new_plain) for p in pairs]),
    ):
        size = seconds = memory = skipped = 0.0
        for old, new in sides:
            if name == "bsdiff" and new.stat().st_size > _BSDIFF_LIMIT:
                skipped += 1
                continue
            run = measure(Command(name, line.format(old=old, new=new, out=out).split()))
            size += out.stat().st_size
            seconds += run.wall
            memory = max(memory, run.memory)
        left = f", {skipped:.0f} pairs left out" if skipped else ""
        print(f"{name}, {kind}: {size:,.0f} bytes, {seconds:.1f} s, {memory:.0f} MiB{left}")


if __name__ == "__main__":
    main()
