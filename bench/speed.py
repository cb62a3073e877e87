"""Processor time of each command beside that of an earlier commit, and beside what a machine must do anyway.

`python -m bench.speed OLD NEW` takes two trees of `dir:` images, by default the small ones in `fixtures/`. This tree
and commit e486880, which `bench/earlier.py` builds, carry out each command in turns; `limit` is the same for the steps
that no implementation can do without (`bench/steps.py`). Figures are medians, ratios medians of those within a turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from bench.earlier import COMMIT, earlier, earlier_tree
from bench.patches import EXAMPLES
from bench.run import PROJECT, PYTHON, Command, airpatch, emptied, found_in, measure, scratch


@dataclass(frozen=True, slots=True)
class Line:
    """A command line: what it writes, what of `installed` or `updated` that begins as a copy of, and its limit."""

    name: str
    words: list[str | Path]
    steps: list[str | Path]
    writes: Path | None = None
    copy_of: Path | None = None

    def prepare(self) -> None:
        if self.writes:
            emptied(self.writes)()
        if self.writes and self.copy_of:
            subprocess.run(["cp", "-a", self.copy_of, self.writes], check=True)
            os.sync()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, nargs="?", default=EXAMPLES[0])
    parser.add_argument("new", type=Path, nargs="?", default=EXAMPLES[1])
    parser.add_argument("--times", type=int, default=5, help="turns that count (default: 5)")
    parser.add_argument("--only", metavar="COMMAND", action="append", help="of the table; may be repeated")
    args = parser.parse_args()
    with scratch() as place:
        folders = place / "ours", place / "earlier"
        built = earlier_tree()
        for folder in folders:
            folder.mkdir()
        blobs = place / "old", place / "changed", place / "sources"
        _prepare(args.old, args.new, folders, built)
        _link_blobs(args.old, args.new, folders[0] / "patch", blobs)
        print(f"{'':<14}{'processor seconds':>27}{'ratio to':>18}{'peak MiB':>17}")
        print(f"{'command':<14}{'ours':>9}{COMMIT:>9}{'limit':>9}{COMMIT:>9}{'limit':>9}{'ours':>8}{COMMIT:>9}")
        for ours, theirs in zip(*(_lines(args.old, args.new, folder, blobs) for folder in folders), strict=True):
            if not args.only or ours.name in args.only:
                limit = Command(
                    "limit", [*PYTHON, "-m", "bench.steps", *map(str, ours.steps)], environment=found_in(PROJECT)
                )
                _compare([_ours(ours), _theirs(built, theirs), limit], ours.name, args.times)
        sizes = [(folder / "patch").stat().st_size for folder in folders]
        print(f"patch: {sizes[0]:,} bytes; {sizes[1]:,} by {COMMIT}")


def _ours(line: Line) -> Command:
    return airpatch(line.name, *line.words, prepare=line.prepare)


def _theirs(built: Path, line: Line) -> Command:
    return earlier(built, line.name, *line.words, prepare=line.prepare)


def _compare(commands: list[Command], name: str, times: int) -> None:
    """Run the commands in turns, every other turn backwards, once to warm up; print a line of medians."""
    turns = []
    for turn in range(times + 1):
        order = commands if turn % 2 else commands[::-1]
        runs = {id(command): measure(command) for command in order}
        if turn:
            turns.append([runs[id(command)] for command in commands])
    seconds = [statistics.median(runs[i].cpu for runs in turns) for i in range(3)]
    ratios = [statistics.median(runs[0].cpu / runs[i].cpu for runs in turns) for i in (1, 2)]
    memory = [max(runs[i].memory for runs in turns) for i in range(2)]
    print(
        f"{name:<14}"
        + "".join(f"{figure:>9.3f}" for figure in seconds)
        + "".join(f"{figure:>9.2f}" for figure in ratios)
        + f"{memory[0]:>8.0f}{memory[1]:>9.0f}",
        flush=True,
    )


def _prepare(old: Path, new: Path, folders: tuple[Path, Path], built: Path) -> None:
    """Make in each folder what the command lines read: `base`, `patch`, and the roots `installed` and `updated`."""
    for folder, tree in zip(folders, (None, built), strict=True):
        base, patch, installed, updated = (folder / name for name in ("base", "patch", "installed", "updated"))
        for words in (
            ("create", old, "-o", base, "-q"),
            ("diff", "--base", base, new, "-o", patch, "-q"),
            ("apply", base, "--root", installed, "-q"),
            ("apply", base, "--root", updated, "-q"),
            ("apply", patch, "--root", updated, "-q"),
        ):
            measure(earlier(tree, words[0], *words) if tree else airpatch(words[0], *words))


def _lines(old: Path, new: Path, folder: Path, blobs: tuple[Path, Path, Path]) -> Iterator[Line]:
    base, patch, installed, updated = (folder / name for name in ("base", "patch", "installed", "updated"))
    written = folder / "written"
    every, changed, sources = blobs
    store: list[str | Path] = ["sha256", every, "copy", every]
    yield Line("--help", ["--help"], [])
    yield Line("create", ["create", old, "-o", written, "-q"], store, written)
    yield Line("apply, full", ["apply", base, "--root", written, "-q"], store, written)
    yield Line("inspect", ["inspect", base], [])
    differ: list[str | Path] = ["sha256", changed, "inflate", changed, "sha256", sources, "inflate", sources]
    yield Line("diff", ["diff", "--jobs", "1", "--base", base, new, "-o", written, "-q"], differ, written)
    update: list[str | Path] = ["inflate", sources, "sha256", changed, "copy", changed]
    words: list[str | Path] = ["apply", "--jobs", "1", patch, "--root", written, "-q"]
    yield Line("apply, patch", words, update, written, installed)
    yield Line("restore", ["restore", installed, "-o", written, "-q"], store, written)
    yield Line("verify", ["verify", base, "-q"], ["sha256", every])
    yield Line("prune", ["prune", written, "--keep", "1", "-q"], [], written, updated)


def _link_blobs(old: Path, new: Path, patch: Path, folders: tuple[Path, Path, Path]) -> None:
    """Link in three folders: the blobs of `old`, what the patch makes, and the sources that it makes it from."""
    for folder in folders:
        folder.mkdir()
    with closing(BundleFile(str(patch))) as bundle:
        made = {step.digest.hex for step in bundle.index.steps}
        sources = {source.digest.hex for source in bundle.index.sources}
    of_old = {path.name: path for path in old.rglob("*") if path.is_file()}
    of_new = {path.name: path for path in new.rglob("*") if path.is_file()}
    wanted = (of_old.keys(), made, sources)
    for folder, names in zip(folders, wanted, strict=True):
        for name in names:
            found = of_old.get(name) or of_new.get(name)
            if found:
                (folder / name).symlink_to(found.resolve())


if __name__ == "__main__":
    main()
