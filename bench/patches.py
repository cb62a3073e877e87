"""Patches: sizes and times of `diff` and `apply`, and of other tools on the same layers.

`python -m bench.patches OLD NEW` takes two trees of `dir:` images, by default the small ones in `fixtures/`. `xdelta3`,
`bsdiff` and `zstd --patch-from` get the pairs of changed gzip layers that `airpatch` chose, compressed and unpacked;
unpacked, they lose the digest. bsdiff gets pairs of at most 64 MB, since it takes 17 times their size in memory.
With `--earlier`, commit e486880, which `bench/earlier.py` builds, takes its turn beside airpatch.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import pieces
from bench.earlier import COMMIT, Side, earlier_tree
from bench.run import PROJECT, Command, Run, airpatch, compare, emptied, measure, scratch, shell

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, nargs="?", default=EXAMPLES[0])
    parser.add_argument("new", type=Path, nargs="?", default=EXAMPLES[1])
    parser.add_argument("--times", type=int, default=1, help="turns that count for each effort (default: 1)")
    parser.add_argument("--earlier", action="store_true", help=f"measure commit {COMMIT}, too")
    args = parser.parse_args()
    with scratch() as place:
        sides = [Maker(place / "ours")]
        if args.earlier:
            sides.append(Maker(place / COMMIT, earlier_tree()))
        for side in sides:
            side.folder.mkdir()
            measure(side.command("create", args.old, "-o", side.base, "-q"))
        print("whole blobs:")
        whole, patch = place / "whole.tar.zst", sides[0].patch
        diff = ["diff", "--base", sides[0].base, args.new, "-o", whole, "-q", "--no-layer-patches"]
        compare([airpatch("diff --no-layer-patches", *diff)])
        blobs, copied = place / "blobs", place / "copied"
        stored_blobs(whole, blobs)
        cp = shell("cp of its blobs, sync -f", f"cp -r {blobs} {copied}; sync -f {copied}", emptied(copied))
        compare([sides[0].apply(whole), cp])
        print(f"  {whole.stat().st_size:,} bytes")
        for effort in ("fast", "default", "best"):
            print(f"layer patches, --effort {effort}:")
            compare([side.diff(args.new, effort) for side in sides], args.times)
            compare([side.apply(side.patch) for side in sides], args.times)
            print(f"  {patch.stat().st_size:,} bytes; {uncompressed(patch):,} bytes of changed uncompressed content")
        pairs = find_pairs(patch, args.old, args.new, place)
        for name, line in TOOLS.items():
            compare_tool(name, line, pairs, place)


@dataclass(frozen=True, slots=True)
class Maker(Side):
    """A side that makes patches, and what it makes."""

    @property
    def base(self) -> Path:
        return self.folder / "old.tar.zst"

    @property
    def patch(self) -> Path:
        return self.folder / "patch.tar.zst"

    def diff(self, new: Path, effort: str) -> Command:
        return self.command("diff", "--base", self.base, new, "-o", self.patch, "-q", "--effort", effort)

    def apply(self, patch: Path) -> Command:
        """Applies the patch to a root that has nothing but the old release."""
        root = self.folder / "root"

        def installed() -> None:
            emptied(root)()
            measure(self.command("apply", self.base, "--root", root, "-q"))

        return self.command("apply", patch, "--root", root, "-q", prepare=installed)


def stored_blobs(patch: Path, folder: Path) -> None:
    """Every blob that travels whole, as a file."""
    folder.mkdir()
    bundle = BundleFile(str(patch))
    for blob in bundle.index.stored:
        with (folder / blob.digest.hex).open("wb") as file:
            file.writelines(pieces(bundle.open(blob.digest, blob.size), blob.size))


def uncompressed(patch: Path) -> int:
    """The size, uncompressed and in bytes, of all layers that the patch rebuilds."""
    return sum(step.uncompressed_size for step in BundleFile(str(patch)).index.steps)


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
    "xdelta3 -9": (
        "xdelta3 -e -f -D -9 -B 536870912 -s {old} {new} {delta}",
        "xdelta3 -d -f -D -B 536870912 -s {old} {delta} {made}",
    ),
    "bsdiff": ("bsdiff {old} {new} {delta}", "bspatch {old} {made} {delta}"),
    "zstd -19 --patch-from": (
        "zstd -19 --ultra --long=31 -q -f --patch-from={old} {new} -o {delta}",
        "zstd -d --long=31 --memory=2048MB -q -f --patch-from={old} {delta} -o {made}",
    ),
}
"""How a tool makes a difference, and how it applies it."""


def compare_tool(name: str, lines: Sequence[str], pairs: list[Pair], place: Path) -> None:
    if shutil.which(name.split()[0]) is None:
        print(f"{name}: not installed")
        return
    delta, made = place / "delta", place / "made"
    for kind, sides in (
        ("compressed", [(p.old, p.new) for p in pairs]),
        ("unpacked, digest lost", [(p.old_plain, p.new_plain) for p in pairs]),
    ):
        if name == "bsdiff":
            sides = [side for side in sides if side[1].stat().st_size <= _BSDIFF_LIMIT]
        size = 0
        runs: list[list[Run]] = []
        for old, new in sides:
            words = [line.format(old=old, new=new, delta=delta, made=made).split() for line in lines]
            runs.append([measure(Command(name, each)) for each in words])
            size += delta.stat().st_size
            if not filecmp.cmp(made, new, shallow=False):
                raise RuntimeError(f"{name} makes other bytes of {old} than those of {new}")
        times = ", ".join(
            f"{verb} in {sum(run.wall for run in each):.1f} s, {max(run.memory for run in each):.0f} MiB"
            for verb, each in zip(("made", "applied"), zip(*runs, strict=True), strict=True)
        )
        left = f"; {len(pairs) - len(sides)} pairs left out" if len(sides) < len(pairs) else ""
        print(f"{name}, {kind}: {size:,} bytes, {times}{left}", flush=True)


if __name__ == "__main__":
    main()
