"""Eight targets that are fuzzed under the guidance of coverage (atheris, libFuzzer): every parser of what others wrote.

    python -m fuzz.targets NAME [libFuzzer's arguments]      such as -max_total_time=180 or -runs=10000
    python -m fuzz.targets NAME FILE                         the input in that file again
    python -m fuzz.targets --smoke CASES                     each of them, in a process of its own

An input may be taken, or end in an AirpatchError other than a TargetError; anything else ends the run, and its input is
written to the current folder. Seeds come from fixtures/. What is found becomes a vector there (CONTRIBUTING.md). Needs
`pip install atheris`; compiled codecs give no coverage: `python -m fuzz.targets` is for the Python around them, and the
sanitizers (CONTRIBUTING.md) for themselves.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from unittest import mock

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
Target = Callable[[bytes], object]
MOST = 1 << 26
"""Bytes of a vector's content that are looked at: some are bombs."""


def vectors(pattern: str = "*") -> Iterator[bytes]:
    for path in sorted((FIXTURES / "vectors").glob(f"{pattern}.vector")):
        if path.stat().st_size < 1 << 18:
            yield path.read_bytes().partition(b"\n\n")[2]


def members(name: str) -> Iterator[bytes]:
    """The contents of members of vectors whose path begins with `name`, as far as their headers make sense."""
    import zstandard

    for vector in vectors():
        with contextlib.suppress(zstandard.ZstdError, ValueError):
            reader = zstandard.ZstdDecompressor().stream_reader(vector, read_across_frames=True)
            content = reader.read(MOST)
            for at in range(0, len(content) - 512, 512):
                if content[at : at + len(name)] == name.encode() and content[at + 257 : at + 262] == b"ustar":
                    size = int(content[at + 124 : at + 135] or b"0", 8)
                    yield content[at + 512 : at + 512 + size]


class _AtOnce(Executor):
    """Does in the caller's thread what is submitted: threads would take more time than most cases."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the future
            future.set_exception(error)
        return future


# Each target loads what it fuzzes when it is made: atheris traces modules that are imported under its eyes.


def index() -> tuple[Target, Iterator[bytes]]:
    from airpatch.format.index_encoding import emit_index, parse_index

    def one(data: bytes) -> None:
        if emit_index(parse_index(data)) != data:
            raise RuntimeError("an index that is not canonical was taken")

    return one, members(".airpatch/index")


def archive() -> tuple[Target, Iterator[bytes]]:
    """The seek table and the archive, as a file and as a pipe: both take the same bundles."""
    import zstandard

    from airpatch.errors import AirpatchError
    from tests.support import frame_reader, read_bundle

    at_once = _AtOnce()

    def taken(kind: str, data: bytes) -> bool:
        try:
            read_bundle(frame_reader(kind, data), pool=at_once)
        except AirpatchError:
            return False
        return True

    def one(data: bytes) -> None:
        if taken("file", data) != taken("pipe", data):
            raise RuntimeError("a file and a pipe are not read alike")

    def is_small(vector: bytes) -> bool:
        try:
            return zstandard.frame_content_size(vector) < 1 << 20
        except zstandard.ZstdError:
            return True

    return one, filter(is_small, vectors())


def manifests() -> tuple[Target, Iterator[bytes]]:
    from airpatch.model.manifest import parse_manifest
    from fixtures.json_cases import json_cases

    return parse_manifest, (case.content for case in json_cases())


def layer_patches() -> tuple[Target, Iterator[bytes]]:
    """Headers, and patches carried out over a source of text."""
    from airpatch.blobs.content import BytesBlob
    from airpatch.execution import Cancellation
    from airpatch.format.index import Step
    from airpatch.layers.blob_builder import BlobBuilder
    from airpatch.layers.uncompressed import UncompressedLayers
    from airpatch.model.digest import Digest
    from tests.support import MemoryContent, scratch

    source = b"a line of a layer\n" * 400
    content = MemoryContent({Digest.of(source): source})
    sizes = {Digest.of(source): (len(source), len(source))}

    class Discarding:
        def write(self, piece: memoryview) -> None: ...

        def complete(self) -> None: ...

    def one(data: bytes) -> None:
        layers = UncompressedLayers(content, scratch, {Digest.of(source): 1})
        try:
            builder = BlobBuilder(sizes, content, layers, None, Cancellation())
            step = Step(Digest.of(b""), 1 << 16, 1 << 16, Digest.of(data), len(data), (Digest.of(source),), 1 << 12)
            builder.build(step, BytesBlob(data), Discarding())
        finally:
            layers.close()

    return one, members(".airpatch/patches/")


def deltas() -> tuple[Target, Iterator[bytes]]:
    from airpatch.delta.decoder import decode
    from fixtures.delta.generate import bad, good

    sources = {tuple(map(len, vector.sources)): vector.sources for vector in good()}
    chosen = list(sources.values())

    def one(data: bytes) -> None:
        for _ in decode(io.BytesIO(data[1:]), chosen[data[0] % len(chosen)] if data else (), 1 << 20):
            pass

    def seeds() -> Iterator[bytes]:
        for vector in (*good(), *bad()):
            lengths = tuple(map(len, vector.sources))
            yield bytes([list(sources).index(lengths) if lengths in sources else 0]) + vector.delta

    return one, seeds()


def inventories() -> tuple[Target, Iterator[bytes]]:
    """The body of inventories and requests, and their files."""
    import hashlib

    from airpatch.format import zstd
    from airpatch.format.inventories import Inventory, Request, emit, parse
    from airpatch.model.digest import Digest

    def one(data: bytes) -> None:
        content = data[1:]
        parse(content if data[:1] == b"\0" else zstd.compress(hashlib.sha256(content).digest() + content))

    def seeds() -> Iterator[bytes]:
        blobs = {Digest.of(b"%d" % number): number for number in range(3)}
        for value in (Inventory("r1", ("a/b",), blobs), Request("r1", Digest.of(b"r1"), blobs)):
            yield b"\0" + emit(value)
            yield b"\1" + zstd.decompress(emit(value))[32:]

    return one, seeds()


def signatures() -> tuple[Target, Iterator[bytes]]:
    """Armored signatures, files of allowed signers, of revoked keys, of a root's trust; certificates; histories."""
    from airpatch.signing import allowed_signers, certificates, revocation, sshsig
    from airpatch.target.history import parse_history
    from airpatch.target.root_trust import parse_trust
    from fixtures.vector_signatures import signature

    parsers: list[Callable[[bytes], object]] = [
        sshsig.parse, allowed_signers.parse, revocation.parse, certificates.parse, parse_trust, parse_history
    ]  # fmt: skip

    def one(data: bytes) -> None:
        parsers[(data[0] if data else 0) % len(parsers)](data[1:])

    def seeds() -> Iterator[bytes]:
        key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
        options = b'namespaces="airpatch",valid-after="20260101Z",valid-before="20270101",cert-authority '
        yield b"\0" + signature()
        yield b"\1a@b,*.c " + options + key + b" comment\n# comment\n"
        yield b"\2" + key + b"\n"
        yield b"\2SSHKRL\n\0" + bytes(64)
        yield from (b"\0" + content for content in members(".airpatch/index."))

    return one, seeds()


def roots() -> tuple[Target, Iterator[bytes]]:
    """A hostile root of a registry, or an OCI layout: whatever lies at paths that airpatch looks at."""
    from airpatch.errors import TargetError
    from airpatch.report.root_report import report_root
    from airpatch.sources.kinds import open_source
    from airpatch.target import audit
    from airpatch.target.root import Root
    from tests.support import execution, scratch

    digest = "0" * 64
    storage = "docker/registry/v2"
    repository = f"{storage}/repositories/a"
    paths = [
        f"{storage}/blobs/sha256/00/{digest}/data", f"{repository}/_layers/sha256/{digest}/link",
        f"{repository}/_manifests/revisions/sha256/{digest}/link", f"{repository}/_manifests/tags/t/current/link",
        f"{repository}/_manifests/tags/t/index/sha256/{digest}/link", ".airpatch/history", ".airpatch/journal",
        ".airpatch/trust", f".airpatch/releases/{digest}", "oci-layout", "index.json", f"blobs/sha256/{digest}",
    ]  # fmt: skip
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
    mock.patch.object(audit, "worker_pool", return_value=contextlib.nullcontext(_AtOnce())).start()

    def one(data: bytes) -> None:
        root = folder / "root"
        (root / storage).mkdir(parents=True)
        try:
            for part in data.split(b"\xff\xfe"):
                path = root / paths[(part[0] if part else 0) % len(paths)]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(part[1:])
            with Root(root) as opened:
                audit.audit_root(opened, execution(1))
                with contextlib.suppress(TargetError):
                    report_root(opened)
            if (root / "oci-layout").exists():
                for image in open_source(f"oci:{root}", scratch).listing({}).images:
                    image.load()
        finally:
            shutil.rmtree(root)

    def seeds() -> Iterator[bytes]:
        link = f"sha256:{digest}".encode()
        manifest = b'{"schemaVersion":2,"config":{"digest":"%s","size":2,"mediaType":"a"},"layers":[]}' % link
        entry = (
            b'{"manifests":[{"digest":"%s","size":9,"mediaType":"application/vnd.oci.image.manifest.v1+json"}]}' % link
        )
        yield b"\xff\xfe".join([b"\0" + manifest, *(bytes([number]) + link for number in (1, 2, 3, 4))])
        yield b"\xff\xfe".join([b"\x09" + b'{"imageLayoutVersion":"1.0.0"}', b"\x0a" + entry, b"\x0b" + manifest])
        yield b'\5{"airpatch":1,"previous":null}\n\xff\xfe\6\x83\xff\xfe\7\x80'

    return one, seeds()


TARGETS: Mapping[str, Callable[[], tuple[Target, Iterator[bytes]]]] = {
    make.__name__: make for make in (index, archive, manifests, layer_patches, deltas, inventories, signatures, roots)
}


def fuzz(name: str, words: list[str]) -> None:
    """Fuzz the target `name`; does not return."""
    import atheris

    with atheris.instrument_imports(include=["airpatch"], exclude=["airpatch.encoders", "airpatch.deflate"]):
        from airpatch.errors import AirpatchError, TargetError

        target, seeds = TARGETS[name]()

    def one(data: bytes) -> None:
        try:
            target(data)
        except TargetError:
            if name != "roots":
                raise
        except AirpatchError:
            return

    arguments = [sys.argv[0], f"-artifact_prefix={name}-", "-max_len=65536", *words]
    if not any(Path(word).is_file() for word in words):  # inputs to be run again take the place of seeds
        corpus = Path(tempfile.mkdtemp(prefix=f"airpatch-{name}-"))
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        arguments.append(str(corpus))
    atheris.Setup(arguments, one)
    atheris.Fuzz()


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
    if sys.argv[1] == "--smoke":
        sys.exit(smoke(int(sys.argv[2])) > 0)
    fuzz(sys.argv[1], sys.argv[2:])
