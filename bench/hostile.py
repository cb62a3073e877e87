"""What the encoder replicas take for content made against them, and for real content: time, and steps a byte.

python -m bench.hostile [NAME...]
python -m bench.hostile --real FOLDER [NAME...]

For each replica, the worst of many contents: few letters, runs, periods. Of a FOLDER, 48 MiB of its files as a tar has
them. Steps are those of `airpatch.limits.SEARCH`, which allows ten times what real content takes.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from airpatch import limits
from airpatch.encoders.replicas import deflater

NAMES = ("zlib-9", "gzip-9", "pigz-9-rsyncable", "go1-flate-9", "klauspost-1.18.2-9", "zlib-ng-2.2.5-9", "zlib-6")
SIZE = 1 << 18
REAL = 48 << 20
PIECE = 128 << 10
FLUSHED = bytes.fromhex("b07670ebb9")
"""After these bytes, again and again, pigz -R flushes each time."""


def hostile() -> Iterator[tuple[str, bytes]]:
    """Yield contents that encoders are slow on, by name."""
    chance = random.Random(1)
    for letters in (2, 3, 4, 8, 16, 256):
        yield f"{letters} letters", bytes(chance.choices(range(letters), k=SIZE))
    for share in (0.9, 0.99):
        yield f"{share:.0%} one letter", bytes(chance.random() > share for _ in range(SIZE))
    for longest in (20, 300):
        runs = bytearray()
        while len(runs) < SIZE:
            runs += bytes([chance.randrange(2)]) * chance.randrange(1, longest)
        yield f"runs up to {longest}", bytes(runs[:SIZE])
    for period, every in ((8, 200), (16, 300), (250, 1 << 30)):
        data = bytearray((chance.randbytes(period) * (SIZE // period + 1))[:SIZE])
        for at in range(0, SIZE, every):
            data[at] = chance.randrange(256)
        yield f"a period of {period}", bytes(data)
    yield "flushed", (FLUSHED * (SIZE // len(FLUSHED) + 1))[:SIZE]


def real(folder: Path) -> bytes:
    """Return files of `folder`, each behind 512 bytes and padded to a multiple of them."""
    data = bytearray()
    for top, _, names in os.walk(folder):
        for path in (Path(top, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    content = file.read(8 << 20)
                data += bytes(512) + content + bytes(-len(content) % 512)
        if len(data) >= REAL:
            break
    return bytes(data[:REAL])


def measure(name: str, data: bytes) -> tuple[float, float]:
    """Return seconds of processor time a MiB, and steps a byte."""
    steps: list[int] = []
    began = time.process_time()
    encoder = deflater(name, search=steps.append)
    for at in range(0, len(data), PIECE):
        encoder.feed(data[at : at + PIECE])
    encoder.finish()
    return (time.process_time() - began) * (1 << 20) / len(data), sum(steps) / len(data)


def main() -> None:
    """Print a line for each encoder: name, seconds a MiB, steps a byte, content."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--real", type=Path, metavar="FOLDER")
    options.add_argument("names", nargs="*", metavar="NAME")
    arguments = options.parse_args()
    contents = [(str(arguments.real), real(arguments.real))] if arguments.real else list(hostile())
    for name in arguments.names or NAMES:
        seconds, steps, content = max((*measure(name, data), content) for content, data in contents)
        print(f"{name:28} {seconds:6.3f} s/MiB {steps:7.1f} steps/byte  {content}", flush=True)
    print(f"{limits.SEARCH.value} steps a byte are allowed")


if __name__ == "__main__":
    main()
