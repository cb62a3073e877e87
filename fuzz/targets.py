"""Eight targets that are fuzzed under the guidance of coverage (atheris, libFuzzer): every parser of what others wrote.

    python -m fuzz.targets NAME [libFuzzer's arguments]      such as -max_total_time=180 or -runs=10000
    python -m fuzz.targets NAME FILE                         the input in that file again
    python -m fuzz.targets --smoke CASES                     each of them, in a process of its own

An input may be taken, or end in an AirpatchError other than a TargetError; anything else ends the run, and its input is
written to the current folder. Seeds come from fixtures/: vectors and the like (fuzz/seeds.py), and what earlier runs
have found (fuzz/corpora.py). What fails becomes a vector there (CONTRIBUTING.md). Needs `pip install 'atheris>=3'`;
compiled codecs give no coverage: `python -m fuzz.targets` is for the Python around them, and the sanitizers
(CONTRIBUTING.md) for themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from unittest import mock

from fuzz import corpora, seeds
from fuzz.at_once import AtOnce

Target = Callable[[bytes], object]


# Each target loads what it fuzzes when it is made: atheris traces modules that are imported under its eyes.


def index() -> tuple[Target, Iterator[bytes]]:
    from airpatch.format.index_encoding import emit_index, parse_index

    def one(data: bytes) -> None:
        if emit_index(parse_index(data)) != data:
            raise RuntimeError("an index that is not canonical was taken")

    return one, seeds.indexes()


def archive() -> tuple[Target, Iterator[bytes]]:
    """The seek table and the archive, as a file and as a pipe: both take the same bundles."""
    from airpatch.errors import AirpatchError
    from fuzz import archive_inputs
    from tests.support import frame_reader, read_bundle

    at_once = AtOnce()

    def taken(kind: str, data: bytes) -> bool:
        try:
            read_bundle(frame_reader(kind, data), pool=at_once)
        except AirpatchError:
            return False
        return True

    def one(data: bytes) -> None:
        bundle = archive_inputs.bundle(data)
        if taken("file", bundle) != taken("pipe", bundle):
            raise RuntimeError("a file and a pipe are not read alike")

    return one, archive_inputs.inputs()


def manifests() -> tuple[Target, Iterator[bytes]]:
    from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST, parse_manifest
    from fixtures.json_cases import json_cases
    from tests.support import OCI_LAYER, descriptor, encode

    def first() -> Iterator[bytes]:
        yield from (case.content for case in json_cases())
        layer, image, index = (descriptor(b"", kind) for kind in (OCI_LAYER, OCI_MANIFEST, OCI_INDEX))
        yield encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image, index, layer]})
        for config, layers in ((layer, [image]), (index, [layer])):
            yield encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
        yield b"[" * 200 + b"]" * 200

    return parse_manifest, first()


def layer_patches() -> tuple[Target, Iterator[bytes]]:
    from airpatch.layers import blob_builder
    from fuzz import layer_inputs, layer_seeds

    inputs = [*layer_inputs.inputs(), *layer_seeds.inputs()]
    mock.patch.object(blob_builder, "decode", layer_inputs.decode).start()
    return layer_inputs.Applier(layer_inputs.choice()).run, iter(inputs)


def deltas() -> tuple[Target, Iterator[bytes]]:
    from airpatch.delta.decoder import decode
    from fuzz import delta_inputs

    choice = delta_inputs.choice()

    def one(data: bytes) -> None:
        delta, sources = delta_inputs.delta(data, choice)
        for _ in decode(io.BytesIO(delta), sources, delta_inputs.MOST):
            pass

    return one, delta_inputs.inputs()


def inventories() -> tuple[Target, Iterator[bytes]]:
    """The body of inventories and requests, and their files."""

    from airpatch.format import zstd
    from airpatch.format.inventories import Inventory, Request, emit, parse
    from airpatch.model.digest import Digest

    def one(data: bytes) -> None:
        content = data[1:]
        parse(content if data[:1] == b"\0" else zstd.compress(hashlib.sha256(content).digest() + content))

    def first() -> Iterator[bytes]:
        blobs = {Digest.of(b"%d" % number): number for number in range(3)}
        for value in (Inventory("r1", ("a/b",), blobs), Request("r1", Digest.of(b"r1"), blobs)):
            yield b"\0" + emit(value)
            yield b"\1" + zstd.decompress(emit(value))[32:]

    return one, first()


def signatures() -> tuple[Target, Iterator[bytes]]:
    """Armored signatures, files of allowed signers, of revoked keys, of a root's trust; certificates; histories.

    What has been read is asked about the signatures that there are. The last kinds are signed, packed or chained first,
    since no mutant would be as it was.
    """
    from airpatch.signing import allowed_signers, certificates, revocation
    from airpatch.signing.policy import Policy
    from airpatch.target.history import appended, parse_history
    from airpatch.target.root_trust import parse_trust
    from fuzz.signature_seeds import EVENT, MESSAGE, TIME, certified, chained, seeds, signatures, signers, trust

    signed = tuple(dict.fromkeys(signatures()))
    trusted, none = allowed_signers.parse(signers()), revocation.parse(b"")

    def read_signers(text: bytes) -> None:
        policy = Policy(allowed_signers.parse(text), none)
        policy.most_principals()
        policy.require(MESSAGE, signed, TIME)

    def read_history(text: bytes) -> None:
        parse_history(text).current()
        parse_history(appended(text, EVENT))

    parsers: dict[str, Callable[[bytes], object]] = {
        "signature": lambda text: Policy(trusted, none).require(MESSAGE, [text], TIME),
        "signers": read_signers,
        "revoked": lambda text: Policy(trusted, revocation.parse(text)).require(MESSAGE, signed, TIME),
        "certificate": certificates.parse,
        "trust": lambda text: parse_trust(text).require(MESSAGE, signed, TIME),
        "history": read_history,
        "certified": lambda body: Policy(trusted, none).require(MESSAGE, [certified(body)], TIME),
        "trusted": lambda parts: parse_trust(trust(parts)).require(MESSAGE, signed, TIME),
        "chained": lambda lines: read_history(chained(lines)),
    }
    kinds = list(parsers)

    def one(data: bytes) -> None:
        parsers[kinds[(data[0] if data else 0) % len(kinds)]](data[1:])

    return one, (bytes([kinds.index(kind)]) + content for kind, content in seeds())


def roots() -> tuple[Target, Iterator[bytes]]:
    """A hostile root of a registry, or an OCI layout: whatever lies at paths that airpatch looks at."""
    from airpatch.errors import TargetError
    from airpatch.report.root_report import report_root
    from airpatch.sources.kinds import open_source
    from airpatch.target import audit
    from airpatch.target.root import Root
    from fuzz import root_inputs
    from tests.support import execution, scratch

    folder = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # noqa: S108
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    mock.patch.object(audit, "worker_pool", return_value=contextlib.nullcontext(AtOnce())).start()
    root = Path(folder)

    def one(data: bytes) -> None:
        made: list[str] = []
        try:
            for path, content, is_link in root_inputs.files(data):
                root_inputs.write(folder, path, content, is_link, made)
            with Root(root) as opened:
                audit.audit_root(opened, execution(1))
                with contextlib.suppress(TargetError):
                    report_root(opened)
            if f"{folder}/oci-layout" in made:
                for image in open_source(f"oci:{root}", scratch).listing({}).images:
                    image.load()
        finally:
            for name in reversed(made):
                (os.rmdir if name.endswith("/") else os.unlink)(name)

    return one, root_inputs.inputs()


TARGETS: Mapping[str, Callable[[], tuple[Target, Iterator[bytes]]]] = {
    make.__name__: make for make in (index, archive, manifests, layer_patches, deltas, inventories, signatures, roots)
}


PARSERS = "parsers: "
"""What precedes the hash of the traced code, in a line that a target writes when it begins."""
_CODECS = ["airpatch.encoders", "airpatch.deflate"]
"""Not traced: they are compiled."""


def require_atheris() -> None:
    """End the program with one line if atheris cannot be imported."""
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzzing needs atheris, for Linux on x86-64: pip install 'atheris>=3'")


def fuzz(name: str, words: list[str]) -> None:
    """Fuzz the target `name`; does not return."""
    import atheris

    with atheris.instrument_imports(include=["airpatch"], exclude=_CODECS):
        from airpatch.errors import AirpatchError, TargetError

        target, first = TARGETS[name]()
    print(f"{PARSERS}{_traced_code()}", file=sys.stderr)

    def one(data: bytes) -> None:
        try:
            target(data)
        except TargetError:
            if name != "roots":
                raise
        except AirpatchError:
            return

    arguments = [sys.argv[0], f"-artifact_prefix={name}-", f"-max_len={seeds.LONGEST}", *words]
    if not any(Path(word).is_file() for word in words):  # inputs to be run again take the place of seeds
        corpus = Path(tempfile.mkdtemp(prefix=f"airpatch-{name}-"))
        known = chain(first, corpora.found(name))
        for number, seed in enumerate({seed for seed in known if len(seed) <= seeds.LONGEST}):
            (corpus / f"seed-{number}").write_bytes(seed)
        arguments.append(str(corpus))
    atheris.Setup(arguments, one)
    atheris.Fuzz()


def _traced_code() -> str:
    """Return a hash of the modules that are traced: with other code, there are other edges to be found."""
    code = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or ".")
        if name.startswith("airpatch") and not name.startswith(tuple(_CODECS)) and path.suffix == ".py":
            code.update(path.read_bytes())
    return code.hexdigest()[:16]


def smoke(cases: int) -> int:
    """Run each target for so many cases; return how many failed."""
    failed = 0
    for name in TARGETS:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.targets", name, f"-runs={cases}", "-print_final_stats=1"],
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": tempfile.gettempdir()},
        )
        lines = [line for line in done.stderr.splitlines() if "cov:" in line]
        print(
            f"{name}: {'fails' if done.returncode else 'holds'}: {lines[-1].strip() if lines else done.stderr[-600:]}"
        )
        failed += bool(done.returncode)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in (*TARGETS, "--smoke"):
        sys.exit(f"{__doc__}\ntargets: {', '.join(TARGETS)}")
    require_atheris()
    if sys.argv[1] == "--smoke":
        sys.exit(smoke(int(sys.argv[2])) > 0)
    fuzz(sys.argv[1], sys.argv[2:])
