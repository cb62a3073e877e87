"""airpatch's answers to the suite's requests: `python -m spec.suite.airpatch_answers`.

Of a bundle `verify` judges, both of the file and through a pipe, and, where everything is there that it needs, `apply`:
all must agree.
"""

import hashlib
import io
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import airpatch
from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed
from airpatch.delta.decoder import decode
from airpatch.encoders.replicas import deflater


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _bundle(file: str, base: Iterable[str] = (), signers: str | None = None, whole: bool = False) -> dict[str, Any]:
    trusted = airpatch.trusted_signers(signers) if signers is not None else None
    bases = list(base)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        if bases:
            airpatch.apply(bases, root)
        held = root if bases else None
        try:
            verified = airpatch.verify(file, base=held, trusted=trusted)
        except airpatch.AirpatchError as error:
            _require_refusal(error, file, root, held, trusted, not (whole or bases))
            raise
        assert isinstance(verified, airpatch.VerifiedBundle)
        index = verified.index
        with _pipe(file) as pipe:
            again = airpatch.verify(pipe, base=held, trusted=trusted)
            assert isinstance(again, airpatch.VerifiedBundle)
            assert again.index == index, "another index through a pipe"
        digests = [str(blob.digest) for blob in index.stored]
        if whole or bases or index.is_full:
            airpatch.apply(file, root, trusted=trusted)
            storage = root / "docker/registry/v2/blobs/sha256"
            names = [blob.digest.hex for blob in index.release.blobs]
            digests = [_digest((storage / name[:2] / name / "data").read_bytes()) for name in names]
    return {"release": str(index.release_id), "blobs": digests}


@contextmanager
def _pipe(file: str) -> Iterator[str]:
    """The name of a pipe through which the file comes."""
    reading, writing = os.pipe()

    def send() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(Path(file).read_bytes())

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield f"/proc/self/fd/{reading}"
    finally:
        os.close(reading)
        sender.join()


def _require_refusal(
    error: airpatch.AirpatchError,
    file: str,
    root: Path,
    base: Path | None,
    trusted: airpatch.TrustedSigners | None,
    is_alone: bool,
) -> None:
    """Have a bundle refused in two more ways as `verify` did: by `apply`, which may lack room, or the base of a patch
    that is alone; and by `verify` through a pipe. What these say is noted.
    """
    lacking = (airpatch.TargetError, airpatch.BaseMismatch) if is_alone else airpatch.TargetError
    with _pipe(file) as pipe:
        ways: list[tuple[Callable[[], object], Any]] = [
            (lambda: airpatch.apply(file, root, trusted=trusted), lacking),
            (lambda: airpatch.verify(pipe, base=base, trusted=trusted), ()),
        ]
        for way, others in ways:
            try:
                way()
            except airpatch.AirpatchError as other:
                if type(other) is not type(error) and not isinstance(other, others):
                    raise AssertionError(f"{error!r}, and in another way: {other!r}") from error
                error.add_note(str(other).replace(pipe, "a pipe"))
            else:
                raise AssertionError(f"taken in another way, which is to be refused: {error!r}") from error


def _delta(file: str, sources: Iterable[str], limit: int) -> dict[str, Any]:
    contents = [Path(source).read_bytes() for source in sources]
    return {"target": _digest(b"".join(decode(io.BytesIO(Path(file).read_bytes()), contents, limit)))}


def _decisions(file: str) -> dict[str, Any]:
    blob = Path(file).read_bytes()
    parser = GzipParser()
    parts = [*parser.feed(blob), *parser.close()]
    columns = [b"".join(getattr(part, name) for part in parts) for name in Parsed.__slots__]
    if b"".join(emit(*(io.BytesIO(column).read for column in columns))) != blob:
        raise airpatch.IntegrityError("decisions that do not give the file")
    return {"content": _digest(columns[0]), "columns": [_digest(column) for column in columns[1:]]}


def _encoder(file: str, name: str) -> dict[str, Any]:
    encoder = deflater(name)
    return {"stream": _digest(encoder.feed(Path(file).read_bytes()) + encoder.finish())}


def _signature(file: str, signature: str, signers: str) -> dict[str, Any]:
    trusted = airpatch.trusted_signers(signers)
    (signer,) = trusted.require(Path(file).read_bytes(), (Path(signature).read_bytes(),), time.time())
    return {"signer": ",".join(signer.principals)}


def _parts(files: Iterable[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        joined = Path(folder) / "joined"
        airpatch.join(list(files), joined)
        return {"whole": _digest(joined.read_bytes())}


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "bundle": _bundle,
    "delta": _delta,
    "decisions": _decisions,
    "encoder": _encoder,
    "signature": _signature,
    "parts": _parts,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    try:
        return {"verdict": "accept", **_KINDS[request.pop("kind")](**request)}
    except airpatch.AirpatchError as error:
        reasons = [str(error), *getattr(error, "__notes__", [])]
        return {"verdict": "refuse", "class": type(error).__name__, "why": "\n".join(reasons)}
    except AssertionError as error:
        return {"verdict": "disagrees with itself", "why": str(error)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
