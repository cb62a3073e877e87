"""Time the encoder replicas over a file, side by side: MB of uncompressed bytes per second of CPU time.

python -m bench.encoders FILE [NAME | replay:NAME | TITLE=COMMAND ...]

NAME is a replica for gzip or zstd. `replay:NAME` writes the zstd frame of that replica out of its decisions, beside an
older version of which every 100,000th byte is another. A COMMAND is an original, which compresses its standard input:
"gzip=gzip -6".
"""

from __future__ import annotations

import io
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from airpatch.encoders.replicas import deflater, usual_names
from airpatch.encoders.zstd_decisions import Covers, emit, parse
from airpatch.encoders.zstd_replicas import frame_encoder, libzstd_names, zstd_names

PIECE = 1 << 20
_REPLAY = "replay:"
_CHANGED = 100_000


def main() -> None:
    """Print a line for each encoder: name, MB/s, compressed size."""
    path = Path(sys.argv[1])
    for argument in sys.argv[2:] or (*usual_names(), *zstd_names()):
        name, _, command = argument.partition("=")
        if command:
            seconds, size = _original(path, command)
        elif name.startswith(_REPLAY):
            seconds, size = _replayed(path.read_bytes(), name.removeprefix(_REPLAY))
        else:
            seconds, size = _replica(path.read_bytes(), name)
        print(f"{name:28} {path.stat().st_size / seconds / 1e6:7.1f} MB/s {size:12}", flush=True)


def _replica(uncompressed: bytes, name: str) -> tuple[float, int]:
    encoder = frame_encoder(name) if name in (*zstd_names(), *libzstd_names()) else deflater(name)
    begin = time.process_time()
    size = sum(len(encoder.feed(uncompressed[at : at + PIECE])) for at in range(0, len(uncompressed), PIECE))
    size += len(encoder.finish())
    return time.process_time() - begin, size


def _replayed(uncompressed: bytes, name: str) -> tuple[float, int]:
    """Time what a target does: the old file's matches are read, and the new file is written."""
    older = bytearray(uncompressed)
    for at in range(0, len(older), _CHANGED):
        older[at] ^= 1
    old, new = _frame(bytes(older), name), _frame(uncompressed, name)
    covers = Covers()
    covers.add([(0, 0, len(uncompressed))], 0, len(uncompressed))
    matches = b"".join(part.matches for part in parse(io.BytesIO(old).read, len(older)))
    parts = list(
        parse(io.BytesIO(new).read, len(uncompressed), covers.alignment(matches), io.BytesIO(uncompressed).read)
    )
    layout, *columns = (
        io.BytesIO(b"".join(column))
        for column in zip(*((p.layout, p.runs, p.hits, p.offsets) for p in parts), strict=True)
    )
    begin = time.process_time()
    matches = b"".join(part.matches for part in parse(io.BytesIO(old).read, len(older)))
    runs, hits, offsets = (column.read for column in columns)
    alignment = covers.alignment(matches)
    size = sum(map(len, emit(layout.read, io.BytesIO(uncompressed).read, runs, hits, offsets, alignment)))
    seconds = time.process_time() - begin
    if size != len(new):
        raise SystemExit(f"{name}: {size} bytes are replayed, not {len(new)}")
    return seconds, size


def _frame(uncompressed: bytes, name: str) -> bytes:
    encoder = frame_encoder(name)
    encoder.begin(len(uncompressed))
    return encoder.feed(uncompressed) + encoder.finish()


def _original(path: Path, command: str) -> tuple[float, int]:
    begin = _children_seconds()
    with path.open("rb") as uncompressed:
        done = subprocess.run(shlex.split(command), stdin=uncompressed, stdout=subprocess.PIPE, check=True)
    return _children_seconds() - begin, len(done.stdout)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
