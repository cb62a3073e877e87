"""Mutate gzip files and decisions, in process: `python -m fuzz.deflate [--seconds N] [--seed N]`.

Each case either comes back byte for byte or ends in FormatError, in bounded memory and time; anything else is
printed with the input in hexadecimal, and ends the run. Put what it finds into fixtures/deflate/generate.py
as a vector.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed
from airpatch.errors import FormatError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "deflate"
UNCOMPRESSED_LIMIT = 1 << 20
OUTPUT_LIMIT = 1 << 21
SECONDS_LIMIT = 5.0


def seeds() -> list[bytes]:
    """Small files of many kinds; long ones would hide their headers from mutation."""
    text = (FIXTURES / "sample.tar").read_bytes()[40_000:44_000]
    files = [bytes.fromhex(line.split()[2]) for line in (FIXTURES / "vectors.txt").read_text().splitlines()]
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
        for level in (0, 1, 9):
            for part in (text, text[:300], bytes(5000), b"ab" * 2000):
                encoder = zlib.compressobj(level, zlib.DEFLATED, 31, 1 + 8 * (level > 0), strategy)
                files.append(encoder.compress(part) + encoder.flush())
    return [*files, gzip.compress(text[:100]) + gzip.compress(text[:100])]


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, repeat, or splice a few places."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * rng.choice((1, 1, 100))
        elif kind == 4:
            start = rng.randrange(len(other) + 1)
            out[at : at + size] = other[start : start + size]
        else:
            out[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))])
    return bytes(out)


def parse(data: bytes, piece: int) -> Parsed:
    parser = GzipParser(UNCOMPRESSED_LIMIT)
    parts: list[Parsed] = []
    for at in range(0, len(data), piece):
        parts += parser.feed(data[at : at + piece])
    parts += parser.close()
    return Parsed(*(b"".join(getattr(part, field.name) for part in parts) for field in fields(Parsed)))


def build(part: Parsed) -> bytes:
    out = bytearray()
    for piece in emit(*(io.BytesIO(getattr(part, field.name)).read for field in fields(Parsed))):
        out += piece
        if len(out) > OUTPUT_LIMIT:
            raise FormatError("more output than the caller allows")
    return bytes(out)


def fuzz_file(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A hostile file: if it parses, it must come back."""
    data = mutated(data, other, rng)
    piece = rng.choice((1 << 20, 1 << 20, 97, 1)) if len(data) < 1000 else 1 << 20
    part = parse(data, piece)
    if build(part) != data:
        raise AssertionError(f"rebuilt bytes differ: {data.hex()}")
    return data


def fuzz_decisions(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Hostile decisions: whatever they say, the result is bytes or FormatError."""
    part = parse(data, 1 << 20)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice([field.name for field in fields(Parsed)])
        part = replace(part, **{name: mutated(getattr(part, name), other, rng)})
    return build(part)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    rng = random.Random(arguments.seed)  # noqa: S311
    files = seeds()
    targets: list[Callable[[bytes, bytes, random.Random], bytes]] = [fuzz_file, fuzz_decisions]
    end = time.monotonic() + arguments.seconds
    cases = survived = 0
    slowest = 0.0
    while time.monotonic() < end:
        data, other = rng.choice(files), rng.choice(files)
        target = rng.choice(targets)
        state = rng.getstate()
        begin = time.process_time()
        try:
            target(data, other, rng)
            survived += 1
        except FormatError:
            pass
        except BaseException:
            rng.setstate(state)
            print(target.__name__, data.hex(), other.hex(), mutated(data, other, rng).hex(), file=sys.stderr)
            raise
        slowest = max(slowest, time.process_time() - begin)
        if slowest > SECONDS_LIMIT:
            print("slow:", target.__name__, data.hex(), other.hex(), file=sys.stderr)
            return 1
        cases += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{cases} cases, {survived} without error, slowest {slowest:.2f} s, peak memory {memory} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
