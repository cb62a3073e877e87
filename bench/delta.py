"""Measure deltas: `python -m bench.delta [--effort E] TARGET SOURCE...` over uncompressed files, or `--scale N`.

Prints the sizes of target and delta, MB of target a second for encoding and applying (CPU time), and the peak
of resident memory in MiB of each, measured in processes of their own. `--scale N` makes N MiB of random
target and source in the temporary folder, with ten changed bytes in each MiB.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def make(folder: Path, size: int) -> tuple[Path, Path]:
    chance = random.Random(1)
    source, target = folder / "source", folder / "target"
    with source.open("wb") as old, target.open("wb") as new:
        for _ in range(size >> 20):
            piece = bytearray(chance.randbytes(1 << 20))
            old.write(piece)
            for _ in range(10):
                piece[chance.randrange(len(piece))] ^= 1
            new.write(piece)
    return target, source


def run_encode(target: Path, sources: list[Path], effort: Effort, delta: Path) -> None:
    maps = [mapped(path) for path in (target, *sources)]

    def release_pages() -> None:
        for item in maps:
            item.madvise(mmap.MADV_DONTNEED)

    with delta.open("wb") as out:
        out.writelines(encode(maps[0], maps[1:], effort, release_pages=release_pages))


def run_apply(target: Path, sources: list[Path], delta: Path) -> None:
    maps = [mapped(path) for path in sources]
    wanted = hashlib.sha256()
    with target.open("rb") as file:
        while piece := file.read(1 << 20):
            wanted.update(piece)
    got = hashlib.sha256()
    done = 0
    with delta.open("rb") as file:
        for piece in decode(file, maps, target.stat().st_size):
            got.update(piece)
            done += len(piece)
            if done >= 1 << 26:
                done = 0
                for item in maps:
                    item.madvise(mmap.MADV_DONTNEED)
    if got.digest() != wanted.digest():
        sys.exit("the result differs")


def measure(step: str, arguments: list[str], size: int) -> None:
    start = time.perf_counter()
    command = [sys.executable, "-m", "bench.delta", "--step", step, *arguments]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{step} failed")
    seconds = usage.ru_utime + usage.ru_stime
    wall = time.perf_counter() - start
    sys.stdout.write(
        f"{step}: {size / seconds / 1e6:.1f} MB/s of CPU time, {wall:.1f} s, peak {usage.ru_maxrss >> 10} MiB\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="default", choices=[effort.name.lower() for effort in Effort])
    parser.add_argument("--scale", type=int)
    parser.add_argument("--step", choices=["encode", "apply"], help=argparse.SUPPRESS)
    parser.add_argument("--delta", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    effort = Effort[options.effort.upper()]
    if options.step == "encode":
        run_encode(options.files[0], options.files[1:], effort, options.delta)
    elif options.step == "apply":
        run_apply(options.files[0], options.files[1:], options.delta)
    else:
        with tempfile.TemporaryDirectory() as folder:
            files = make(Path(folder), options.scale << 20) if options.scale else options.files
            delta = Path(folder) / "delta"
            arguments = ["--effort", options.effort, "--delta", str(delta), *map(str, files)]
            size = files[0].stat().st_size
            measure("encode", arguments, size)
            sys.stdout.write(f"target {size} delta {delta.stat().st_size}\n")
            measure("apply", arguments, size)


if __name__ == "__main__":
    main()
