"""Fuzz the applier of deltas: mutated deltas may only end in FormatError or in a target of the declared size.

Half of the cases mutate the stored bytes; the other half mutate decoded columns and store them properly, so
that they get past zstd. Usage: python -m fuzz.delta [--cases N] [--seed N]. A finding is written to stdout as
a vector's text.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from collections.abc import Sequence

from airpatch.delta.columns import ColumnDecompressor
from airpatch.delta.decoder import decode
from airpatch.errors import FormatError
from fixtures.delta.generate import good
from fixtures.delta.vectors import BAD, Vector, head, segments
from tests.delta.support import delta, noise, program, tar

SLOW = 2.0  # seconds of CPU time for one case


def seeds() -> list[tuple[tuple[bytes, ...], bytes, bytes]]:
    """Return triples of sources, target and delta."""
    found = [
        (vector.sources, vector.expect, vector.delta)
        for vector in good()
        if isinstance(vector.expect, bytes) and vector.expect
    ]
    bodies = [noise(60, n).replace(b"\xe8", b"\x90") for n in range(40)]
    calls = [(n, n * 7 % 40) for n in range(40)]
    old = tar({"p": program(bodies, calls), "q": noise(900, 1)})
    new = tar({"p": program([bodies[0] + b"more", *bodies[1:]], calls), "q": noise(900, 1) + b"x"})
    found.append(((old, noise(300, 2)), new, delta(new, [old, noise(300, 2)])))
    return found


def decoded(sources: Sequence[bytes], data: bytes) -> list[list[bytes]]:
    """Return the columns of every segment, and last what is mixed."""
    reader = ColumnDecompressor(io.BytesIO(data))
    reader.exactly(4)
    for _ in range(2 + len(sources)):
        reader.number()
    parts = []
    while True:
        try:
            columns = reader.segment()
            parts.append([*columns, reader.mixed])
        except FormatError:  # the end
            return parts


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change, drop, repeat or insert some bytes; favour the values where numbers break."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            del out[at : at + chance.choice((1, 1, 2, 9))]
        elif kind == 3:
            out[at:at] = out[at : at + chance.randrange(1, 20)]
        else:
            out[at:at] = chance.choice((b"\0", b"\xff" * 8 + b"\x7f", b"\x80\x80\x80\x08", chance.randbytes(3)))
    return bytes(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - the same cases every time
    pool = [(sources, target, data, decoded(sources, data)) for sources, target, data in seeds()]
    accepted = 0
    for number in range(options.cases):
        sources, target, data, parts = chance.choice(pool)
        if chance.randrange(2):
            case = mutate(data, chance)
        else:
            changed = [list(part) for part in parts]
            for _ in range(chance.choice((1, 1, 2, 3))):
                part = chance.choice(changed)
                column = chance.randrange(len(part))
                part[column] = mutate(part[column], chance)
            case = head(len(target), sources) + segments(*changed)
        start = time.process_time()
        problem = ""
        try:
            size = sum(map(len, decode(io.BytesIO(case), sources, 1 << 20)))
            accepted += 1
            if size > 1 << 20:
                problem = f"{size} bytes came out"
        except FormatError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever else comes is a finding
            problem = repr(error)
        if time.process_time() - start > SLOW:
            problem = problem or "slow"
        if problem:
            sys.stdout.write(Vector(f"fuzz-{number}", problem, BAD, case, sources).text())
            return 1
    sys.stdout.write(f"{options.cases} cases, {accepted} accepted, no finding\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
