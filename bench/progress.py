"""How long progress stands still: `python -m bench.progress BASE PATCH` applies both bundles to a root that it makes.

Of each part of applying the patch it prints the total, what was done, how often progress moved, and the longest time
between two moves; then the longest time before, between and after the parts. Times are wall-clock times.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import airpatch


@dataclass
class Part:
    label: str
    total: int
    done: int = 0
    moves: list[float] = field(default_factory=lambda: [time.monotonic()])


class Watch:
    """Notes when progress moves."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def start(self, label: str, total: int) -> None:
        self.parts.append(Part(label, total))

    def advance(self, size: int, item: str) -> None:
        part = self.parts[-1]
        part.done += size
        part.moves.append(time.monotonic())

    def end(self) -> None:
        self.parts[-1].moves.append(time.monotonic())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("patch")
    parser.add_argument("--folder", type=Path, help="where the root is made (default: the current folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder or Path.cwd()) as folder:
        root = Path(folder) / "root"
        airpatch.apply(args.base, root)
        watch = Watch()
        began = time.monotonic()
        airpatch.apply(args.patch, root, execution=airpatch.Execution(progress=watch))
        seconds = time.monotonic() - began
    for part in watch.parts:
        longest = max(later - earlier for earlier, later in zip(part.moves, part.moves[1:], strict=False))
        print(f"{part.label}: {part.done} of {part.total} bytes, {len(part.moves) - 2} moves, longest {longest:.2f} s")
    ends = [began, *(time for part in watch.parts for time in (part.moves[0], part.moves[-1])), began + seconds]
    outside = max(later - earlier for earlier, later in zip(ends[::2], ends[1::2], strict=True))
    print(f"in all {seconds:.1f} s, longest outside of parts {outside:.2f} s")


if __name__ == "__main__":
    main()
