"""Time the encoder replicas over a file, side by side: MB of plaintext per second of CPU time.

python bench/encoders.py PLAINTEXT [NAME | TITLE=COMMAND ...]

A COMMAND is an original, which compresses its standard input: "gzip=gzip -6".
"""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from airpatch.encoders.replicas import deflater, usual_names

PIECE = 1 << 20


def main() -> None:
    """Print a line for each encoder: name, MB/s, compressed size."""
    path = Path(sys.argv[1])
    for argument in sys.argv[2:] or usual_names():
        name, _, command = argument.partition("=")
        seconds, size = _original(path, command) if command else _replica(path, name)
        print(f"{name:28} {path.stat().st_size / seconds / 1e6:7.1f} MB/s {size:12}", flush=True)


def _replica(path: Path, name: str) -> tuple[float, int]:
    plaintext = path.read_bytes()
    encoder = deflater(name)
    begin = time.process_time()
    size = sum(len(encoder.feed(plaintext[at : at + PIECE])) for at in range(0, len(plaintext), PIECE))
    size += len(encoder.finish())
    return time.process_time() - begin, size


def _original(path: Path, command: str) -> tuple[float, int]:
    begin = _children_seconds()
    with path.open("rb") as plaintext:
        done = subprocess.run(shlex.split(command), stdin=plaintext, stdout=subprocess.PIPE, check=True)
    return _children_seconds() - begin, len(done.stdout)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
