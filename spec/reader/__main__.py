"""`python -m spec.reader unpack BUNDLE FOLDER [BASE ...]` writes the blobs of a release, named by their digests.

Without arguments it speaks the protocol of the conformance suite (../suite/README.md).
"""

import json
import sys
from pathlib import Path

from . import bundle
from .errors import Refusal, extension


def unpack(file: str, into: str, *bases: str) -> int:
    """Unpack a bundle that builds upon others; returns the exit code."""
    try:
        read = bundle.read_file(file, bases)
    except Refusal as refusal:
        print(f"{type(refusal).__name__}: {refusal}", file=sys.stderr)
        return 1
    missing = len(read.index.blobs) - len(read.blobs)
    if missing:
        print(f"{missing} blobs are missing: {read.unsupported or 'the bases lack them'}", file=sys.stderr)
        return 1
    Path(into).mkdir(parents=True, exist_ok=True)
    for digest, content in read.blobs.items():
        (Path(into) / digest.hex()).write_bytes(content)
    return 0


def main(arguments: list[str]) -> int:
    """Unpack one bundle, or answer requests until standard input ends; returns the exit code."""
    if arguments[:1] == ["unpack"] and len(arguments) >= 3:
        return unpack(*arguments[1:])
    for line in sys.stdin:
        print(json.dumps(extension("answers").answer(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
