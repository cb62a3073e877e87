"""Hold airpatch's reading of manifests against Go's decoder: no manifest that Go refuses may pass here.

First come the cases of `fixtures/json_cases.py`, whose verdicts must be those of the table, then mutations of them.
Needs `go` 1.19 or newer. Usage: python -m fuzz.go_json [--cases N] [--seed N].
"""

from __future__ import annotations

import argparse
import base64
import random
import subprocess
import sys
from pathlib import Path

from airpatch.errors import FormatError
from airpatch.model.manifest import parse_manifest
from fixtures.json_cases import json_cases

_BATCH = 2000
_PIECES = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"0", b"-0", b"1e1", b"1.0", b"NaN", b"\\", b"\\u0000",
    b"\xff", b"\xc3\xa9", b"\x00", b" ", b'"layers"', b'"Layers"', b'"size"', b'"data"', b'"config":{}',
    b"99999999999999999999",
)  # fmt: skip


def go_verdicts(contents: list[bytes]) -> list[str]:
    """What Go says to each: `ok`, or why not."""
    lines = b"".join(base64.b64encode(content) + b"\n" for content in contents)
    program = Path(__file__).with_name("go_json") / "main.go"
    result = subprocess.run(["go", "run", program], input=lines, capture_output=True, check=True)
    return result.stdout.decode().splitlines()


def is_taken(content: bytes) -> bool:
    try:
        parse_manifest(content)
    except FormatError:
        return False
    return True


def mutated(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice((0, 0, 1, 1, 2, 8)))
        data[start:stop] = chance.choice(_PIECES) if chance.random() < 0.8 else bytes([chance.randrange(256)])
    return bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description="Hold airpatch's reading of manifests against Go's decoder.")
    parser.add_argument("--cases", type=int, default=100_000, help="mutations to try")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    wrong = 0
    cases = list(json_cases())
    for case, verdict in zip(cases, go_verdicts([case.content for case in cases]), strict=True):
        if (is_taken(case.content), verdict == "ok") != (case.taken, case.taken_by_go):
            wrong += 1
            print(f"{case.name}: Go says {verdict}, airpatch {'takes' if is_taken(case.content) else 'refuses'} it")
    seeds = [case.content for case in cases if len(case.content) < 2000]
    chance = random.Random(arguments.seed)  # noqa: S311
    for done in range(0, arguments.cases, _BATCH):
        contents = [mutated(chance.choice(seeds), chance) for _ in range(min(_BATCH, arguments.cases - done))]
        for content, verdict in zip(contents, go_verdicts(contents), strict=True):
            if verdict != "ok" and is_taken(content):
                wrong += 1
                print(f"Go refuses {content!r}: {verdict}")
    print(f"{len(cases)} cases, {arguments.cases} mutations, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
