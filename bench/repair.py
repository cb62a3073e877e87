"""What it takes to repair a copy of a bundle in which bits were flipped on the way.

    python -m bench.repair BUNDLE [SEED]

For 1, 10 and 100 flipped bits: the bytes of the request, those of the frames that are damaged, and those of the top-up.
The copy and the top-up are then verified together.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from bisect import bisect_right
from contextlib import closing, suppress
from itertools import accumulate
from pathlib import Path

import airpatch
from airpatch.archive.frame_reader import FileFrameReader
from airpatch.blobs.byte_source import FileBytes
from bench.run import scratch

FLIPS = (1, 10, 100)


def main() -> None:
    bundle = Path(sys.argv[1])
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    with closing(FileFrameReader(FileBytes(bundle.name, os.open(bundle, os.O_RDONLY)))) as reader:
        starts = list(accumulate((frame.compressed for frame in reader.table), initial=0))
    size = bundle.stat().st_size
    for flips in FLIPS:
        with scratch() as place:
            copy, request, topup = place / bundle.name, place / "request", place / "topup"
            shutil.copyfile(bundle, copy)
            damaged = set()
            with copy.open("r+b") as file:
                for position in chance.sample(range(size), flips):
                    file.seek(position)
                    byte = file.read(1)[0]
                    file.seek(position)
                    file.write(bytes([byte ^ 1 << chance.randrange(8)]))
                    damaged.add(bisect_right(starts, position) - 1)
            with suppress(airpatch.AirpatchError):
                airpatch.verify(copy, request=request)
            made = airpatch.topup(bundle, request, topup)
            airpatch.apply([copy, topup], place / "root", dry_run=True)
            frames = sum((*starts, size)[number + 1] - starts[number] for number in damaged)
            print(
                f"{flips} flipped: request {request.stat().st_size:,} bytes; {len(damaged)} damaged frames of "
                f"{frames:,} bytes; top-up {made.size:,} bytes, {made.size / frames:.5f} times as many"
            )


if __name__ == "__main__":
    main()
