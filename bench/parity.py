"""Parts with parity: the speed of the code, of splitting, of reading what has lost parts, and of joining it.

Reading is what `apply` and `verify` do; joining writes a file as well.

`python -m bench.parity [FILE] [--parity N]` takes a bundle, by default 256 MiB of random bytes. Processor time; of
reading and joining that of the best of three runs, since what else the machine does only adds to it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import airpatch
from airpatch.parts.gathering import gather_parts
from airpatch.parts.parity import Parity
from bench.run import scratch

_DEFAULT = 256 << 20
_PARTS = 10
_COLUMN = 256 << 10
_ROUNDS = 50
_BUFFER = 8 << 20
_RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--parity", type=int, default=2)
    args = parser.parse_args()
    _code(args.parity)
    with scratch() as place:
        file = args.file or place / "file"
        if args.file is None:
            file.write_bytes(os.urandom(_DEFAULT))
        size = file.stat().st_size
        limit = max(size // _PARTS, 64 << 10)
        _timed("split", size, lambda: airpatch.split(file, place / "plain", size=limit))
        _timed(
            f"split --parity {args.parity}",
            size,
            lambda: airpatch.split(file, place / "parts", size=limit, parity=args.parity),
        )
        _timed("join", size, lambda: airpatch.join(place / "parts", place / "out"), _RUNS)
        for lost in list((place / "parts").glob("*.part-*"))[: args.parity]:
            lost.unlink()
        _timed(f"read, {args.parity} parts lost", size, lambda: _read(place / "parts"), _RUNS)
        _timed(f"join, {args.parity} parts lost", size, lambda: airpatch.join(place / "parts", place / "out"), _RUNS)


def _read(folder: Path) -> None:
    """Read the whole file, of which parts are rebuilt."""
    joined = gather_parts([folder])
    assert joined is not None
    with closing(joined):
        buffer = memoryview(bytearray(_BUFFER))
        for position in range(0, joined.size, _BUFFER):
            joined.read_into(buffer[: joined.size - position], position)


def _code(parity: int) -> None:
    """The code alone, over ten columns."""
    code = Parity(_PARTS, parity)
    columns = os.urandom(_PARTS * _COLUMN)
    size = _ROUNDS * len(columns)
    _timed("the code alone", size, lambda: [code.encode(columns, _COLUMN) for _ in range(_ROUNDS)])


def _timed(name: str, size: int, work: Callable[[], object], runs: int = 1) -> None:
    best = min(_seconds(work) for _ in range(runs))
    print(f"{name}: {size / 1e6 / best:,.0f} MB/s")


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
