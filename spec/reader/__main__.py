"""The reader's command: `python -m spec.reader` speaks the protocol of the conformance suite (../suite/README.md).

`python -m spec.reader unpack BUNDLE FOLDER [BASE ...]` writes the blobs of a release, named by their digests.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import bundle, decisions, delta, encoders, gzip_file, gzip_writer, sshsig
from .errors import IntegrityError, Refusal, Unsupported, require


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _read(file: str, bases: Iterable[str] = (), signers: str | None = None) -> bundle.Bundle:
    """A bundle, on a target that has what these bundles give."""
    have: dict[bytes, bytes] | None = None
    for base in bases:
        have = (have or {}) | bundle.read(Path(base).read_bytes(), have).blobs
    allowed = Path(signers).read_text() if signers is not None else None
    return bundle.read(Path(file).read_bytes(), have, allowed)


def _bundle(file: str, base: Iterable[str] = (), signers: str | None = None, whole: bool = False) -> dict[str, Any]:
    read = _read(file, base, signers)
    if whole and read.unsupported:
        raise Unsupported(read.unsupported)
    digests = [_digest(read.blobs[one.digest]) for one in read.index.blobs if one.digest in read.blobs]
    return {"release": f"sha256:{read.index.release_id.hex()}", "blobs": digests}


def _delta(file: str, sources: Iterable[str], limit: int) -> dict[str, Any]:
    contents = [Path(source).read_bytes() for source in sources]
    return {"target": _digest(delta.apply(Path(file).read_bytes(), contents, limit))}


def _decisions(file: str) -> dict[str, Any]:
    blob = Path(file).read_bytes()
    content, columns = gzip_file.parse(blob).content, decisions.of_file(blob)
    same = gzip_writer.to_file(content, columns, len(blob)) == blob
    require(same, "decisions that do not give the file", IntegrityError)
    return {"content": _digest(content), "columns": [_digest(column) for column in columns]}


def _encoder(file: str, name: str) -> dict[str, Any]:
    return {"stream": _digest(encoders.deflate(name, Path(file).read_bytes()))}


def _signature(file: str, signature: str, signers: str) -> dict[str, Any]:
    armored = Path(signature).read_bytes()
    return {"signer": sshsig.signer(Path(file).read_bytes(), armored, Path(signers).read_text())}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    kinds: dict[str, Callable[..., dict[str, Any]]]
    kinds = {"bundle": _bundle, "delta": _delta, "decisions": _decisions, "encoder": _encoder, "signature": _signature}
    kind = request.pop("kind")
    if kind not in kinds:
        return {"verdict": "unsupported", "why": kind}
    try:
        return {"verdict": "accept", **kinds[kind](**request)}
    except Refusal as refusal:
        return {"verdict": "refuse", "class": type(refusal).__name__, "why": str(refusal)}
    except Unsupported as lacking:
        return {"verdict": "unsupported", "why": str(lacking)}


def _unpack(file: str, into: str, *bases: str) -> int:
    try:
        read = _read(file, bases)
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
    """Answer requests until standard input ends, or unpack one bundle; returns the exit code."""
    if arguments[:1] == ["unpack"] and len(arguments) >= 3:
        return _unpack(*arguments[1:])
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
