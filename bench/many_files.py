"""A layer of very many small files that differ by their numbers: memory and speed of `diff` and `apply`.

`python -m bench.many_files [FILES]` makes a layer of FILES (30,000) texts of 10 to 60 words, changes one of a hundred
for the next release, and lets `diff` and `apply` take 256 MiB of memory.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from bench.huge import add, image
from bench.run import Command, airpatch, measure, scratch

MEMORY = 256
"""MiB."""
CHANGED = 97
"""One file in so many."""
BLOCK = 512


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    with scratch() as place:
        old, new = place / "old", place / "new"
        size = 0
        with image(old / "many:r1", "gzip -6") as first, image(new / "many:r2", "gzip -6") as second:
            for number, text in enumerate(texts(count)):
                path = f"usr/lib/module{number // 500}/file{number}.txt"
                add(first, path, text)
                add(second, path, text[:40] + b"changed" + text[40:] if number % CHANGED == 0 else text)
                size += BLOCK + -(-len(text) // BLOCK) * BLOCK
        print(f"{count:,} files, {size:,} bytes of uncompressed data")
        base, patch, root = place / "base.tar.zst", place / "patch.tar.zst", place / "root"
        memory = ("--memory", f"{MEMORY}MiB")
        measure(airpatch("create", "create", old, "-o", base, "-q"))
        measure(airpatch("apply", "apply", base, "--root", root, "-q"))
        report(airpatch("diff", "diff", "--base", base, new, "-o", patch, "-q", "--jobs", "1", *memory), size)
        print(f"  patch: {patch.stat().st_size:,} bytes")
        report(airpatch("apply", "apply", patch, "--root", root, "-q", "--jobs", "1"), size)


def texts(count: int) -> Iterator[bytes]:
    """The same every time, of 4,000 made words."""
    chance = random.Random(7)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    words = [bytes(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(4000)]
    return (b" ".join(chance.choices(words, k=chance.randint(10, 60))) + b"\n" for _ in range(count))


def report(command: Command, size: int) -> None:
    run = measure(command)
    print(f"  {command.name}: {run.cpu:.1f} s of CPU time, {size / run.cpu / 1e6:.1f} MB/s, {run.memory:.0f} MiB")


if __name__ == "__main__":
    main()
