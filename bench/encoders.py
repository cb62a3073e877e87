"""Time the encoder replicas over a file, side by side: MB of plaintext per second of CPU time.

python bench/encoders.py PLAINTEXT [NAME...]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bundle.encoders.replicas import deflater, usual_names

PIECE = 1 << 20


def main() -> None:
    """Print a line for each replica: name, MB/s, compressed size."""
    plaintext = Path(sys.argv[1]).read_bytes()
    for name in sys.argv[2:] or usual_names():
        encoder = deflater(name)
        begin = time.process_time()
        size = sum(len(encoder.feed(plaintext[at : at + PIECE])) for at in range(0, len(plaintext), PIECE))
        size += len(encoder.finish())
        seconds = time.process_time() - begin
        print(f"{name:28} {len(plaintext) / seconds / 1e6:7.1f} MB/s {size:12}", flush=True)


if __name__ == "__main__":
    main()
