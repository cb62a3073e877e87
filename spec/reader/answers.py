"""The reader's side of the conformance suite's protocol (../suite/README.md)."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import bundle, decisions, deflate, delta, encoders, sshsig
from .errors import IntegrityError, Refusal, Unsupported, require


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _bundle(file: str, base: Iterable[str] = (), signers: str | None = None, whole: bool = False) -> dict[str, Any]:
    read = bundle.read_file(file, base, signers)
    if whole and read.unsupported:
        raise Unsupported(read.unsupported)
    digests = [_digest(read.blobs[one.digest]) for one in read.index.blobs if one.digest in read.blobs]
    return {"release": f"sha256:{read.index.release_id.hex()}", "blobs": digests}


def _delta(file: str, sources: Iterable[str], limit: int) -> dict[str, Any]:
    contents = [Path(source).read_bytes() for source in sources]
    return {"target": _digest(delta.apply(Path(file).read_bytes(), contents, limit))}


def _decisions(file: str) -> dict[str, Any]:
    blob = Path(file).read_bytes()
    content, columns = b"".join(member.content for member in deflate.parse(blob)[0]), decisions.of_file(blob)
    same = decisions.to_file(content, columns, len(blob)) == blob
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
