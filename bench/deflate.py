"""Deflate as data, measured: `python bench/deflate.py FILE [--base FILE]` for gzip files.

Prints the speed of parser and rebuilder in MB of uncompressed data per second of CPU time, zlib's inflate beside
them, and the size of each column: raw, alone under zstd -19, and as a difference from the base's by PyPI's hdiffpatch,
if it is installed, and zstd -19.
"""

from __future__ import annotations

import argparse
import io
import time
import zlib
from dataclasses import fields
from pathlib import Path

import zstandard

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed

try:
    import hdiffpatch
except ImportError:
    hdiffpatch = None  # type: ignore[assignment, unused-ignore] # a module, to mypy, where it is installed

COLUMNS = [field.name for field in fields(Parsed)]


def parse(data: bytes) -> dict[str, bytes]:
    parser = GzipParser()
    parts = [*parser.feed(data), *parser.close()]
    return {name: b"".join(getattr(part, name) for part in parts) for name in COLUMNS}


def zstd(data: bytes) -> int:
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=27)
    return len(zstandard.ZstdCompressor(compression_params=parameters).compress(data))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--base", type=Path)
    arguments = options.parse_args()
    data = arguments.file.read_bytes()

    times = [time.process_time()]
    zlib.decompressobj(31).decompress(data)
    times.append(time.process_time())
    columns = parse(data)
    times.append(time.process_time())
    rebuilt = b"".join(emit(*(io.BytesIO(columns[name]).read for name in COLUMNS)))
    times.append(time.process_time())
    for name, begin, end in zip(("zlib inflate", "parse", "rebuild"), times, times[1:], strict=False):
        print(f"{name:12} {len(columns['uncompressed']) / 1e6 / (end - begin):8.0f} MB/s")
    print("identical" if rebuilt == data else "NOT IDENTICAL")

    if arguments.base and hdiffpatch is None:
        print("hdiffpatch: not installed")
    base = parse(arguments.base.read_bytes()) if arguments.base and hdiffpatch else {}
    total = 0
    for name in COLUMNS[1:]:
        line = f"{name:12} {len(columns[name]):10} bytes, zstd {zstd(columns[name]):9}"
        if base:
            size = zstd(hdiffpatch.diff(base[name], columns[name], "none", validate=False))
            total += size
            line += f", difference {size:9}"
        print(line)
    if base:
        print(f"{'difference':12} {total:10} bytes")


if __name__ == "__main__":
    main()
