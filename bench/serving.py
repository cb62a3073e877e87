"""`airpatch serve` beside a registry and another ASGI server: MB/s, processor time, memory; and how soon it is ready.

    python -m bench.serving TREE [GIB]

TREE is a tree of `dir:` images, of which curl gets every blob, four at a time. The registry is Debian's
`docker-registry`, or the program that `$REGISTRY` names; granian, where it is installed, runs the same application.
With GIB, a bundle of so many GiB is made, and the time is taken until it is served.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import airpatch
from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.blobs.content import BlobReader, BytesBlob
from airpatch.blobs.output import output_file
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.format.layout import FRAME
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image, assemble
from airpatch.serving.application import RegistryApplication
from airpatch.serving.catalog import Catalog
from bench.run import compare, scratch, shell
from bench.scale import OCI
from tests.registry.server import free_port, write_config

_TURNS = 5
_LAYER = 512 << 20
_BUNDLE = "AIRPATCH_BENCH_BUNDLE"


def application() -> RegistryApplication:
    """What granian runs: the bundle that the environment names."""
    bundle = BundleFile(os.environ[_BUNDLE])
    return RegistryApplication(Catalog(bundle.index.release.images, bundle.manifests(), bundle))


def main() -> None:
    tree = Path(sys.argv[1]).resolve()
    with scratch() as work:
        bundle = work / "bundle.tar.zst"
        airpatch.create(tree, bundle)
        airpatch.apply(bundle, work / "root")
        with ExitStack() as stack:
            servers: dict[str, Server] = {}

            def start(name: str, words: Callable[[int], Sequence[str]], **environment: str) -> None:
                server = Server(words, environment)
                stack.callback(server.stop)
                servers[name] = server

            start("airpatch serve", lambda port: _serve_words(bundle, port))
            registry = os.environ.get("REGISTRY", "docker-registry")
            start(
                "the registry",
                lambda port: [registry, "serve", str(write_config(work / "root", port, work, cache=True))],
            )
            if importlib.util.find_spec("granian") is not None:
                options = "--interface asgi --factory --no-ws --log-level error bench.serving:application --port"
                start(
                    "the same on granian",
                    lambda port: [sys.executable, "-m", "granian", *options.split(), str(port)],
                    **{_BUNDLE: str(bundle)},
                )
            _compare(servers)
        if len(sys.argv) > 2:
            _ready(work, int(sys.argv[2]))


class Server:
    """A server on a free port, which answers."""

    def __init__(self, words: Callable[[int], Sequence[str]], environment: dict[str, str]) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        began = time.monotonic()
        self._process = subprocess.Popen(words(port), env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        while subprocess.run(["curl", "-sf", f"http://{self.address}/v2/"], stdout=subprocess.DEVNULL).returncode:
            if self._process.poll() is not None:
                sys.exit(f"{words(port)} does not start")
        self.ready = time.monotonic() - began

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def processes(self) -> list[int]:
        """It, and its children."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has taken."""
        ticks = 0
        for pid in self.processes:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """The most memory that it has taken, in MiB."""
        found = (Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0] for pid in self.processes)
        return sum(map(int, found)) / 1024


def _serve_words(bundle: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "airpatch", "serve", str(bundle), "--listen", f"127.0.0.1:{port}", "-q"]


def _compare(servers: dict[str, Server]) -> None:
    urls = {name: _blob_urls(server.address) for name, server in servers.items()}
    before = {name: server.cpu for name, server in servers.items()}
    medians = compare(
        [
            shell(name, f"curl -sf --parallel --parallel-max 4 {' '.join(f'-o /dev/null {url}' for url in found)}")
            for name, found in urls.items()
        ],
        _TURNS,
    )
    size = sum(next(iter(urls.values())).values())
    for name, run in medians.items():
        server = servers[name]
        cpu = (server.cpu - before[name]) / (_TURNS + 1) / size * 1e9
        print(f"  {name}: {size / run.wall / 1e6:.0f} MB/s, {cpu:.2f} s of processor a GB, {server.memory:.0f} MiB")


def _blob_urls(host: str) -> dict[str, int]:
    """Every blob of every tag, once, with its size."""
    found: dict[str, tuple[str, int]] = {}
    for name in json.loads(_get(f"http://{host}/v2/_catalog?n=1000"))["repositories"]:
        for tag in json.loads(_get(f"http://{host}/v2/{name}/tags/list"))["tags"]:
            pending = [tag]
            while pending:
                manifest = json.loads(_get(f"http://{host}/v2/{name}/manifests/{pending.pop()}"))
                pending += [each["digest"] for each in manifest.get("manifests", ())]
                for blob in [*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else ())]:
                    found.setdefault(blob["digest"], (f"http://{host}/v2/{name}/blobs/{blob['digest']}", blob["size"]))
    return {url: size for _, (url, size) in sorted(found.items())}


def _get(url: str) -> bytes:
    kinds = ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2",
             "docker.distribution.manifest.v2")  # fmt: skip
    accept = ",".join(f"application/vnd.{kind}+json" for kind in kinds)
    return subprocess.run(["curl", "-sf", "-H", f"Accept: {accept}", url], check=True, capture_output=True).stdout


class _Noise:
    """A `Content` of layers that cannot be compressed, each made while it is read, and a config."""

    def __init__(self, count: int) -> None:
        self._noise = os.urandom(FRAME)
        self._config = b"{}"
        self.layers = {self._digest(number): number for number in range(count)}

    @property
    def config(self) -> Digest:
        return Digest.of(self._config)

    def _digest(self, number: int) -> Digest:
        hasher = hashlib.sha256()
        for offset in range(0, _LAYER, FRAME):
            hasher.update(self._piece(number, offset, FRAME))
        return Digest(hasher.digest())

    def _piece(self, number: int, offset: int, size: int) -> bytes:
        """Noise with a period of a frame, shifted by the number of the layer."""
        start = (offset + number) % FRAME
        return (self._noise[start:] + self._noise)[:size]

    def size(self, digest: Digest) -> int | None:
        return _LAYER if digest in self.layers else len(self._config)

    def open(self, digest: Digest, size: int) -> BlobReader:
        return _NoiseReader(self, self.layers[digest]) if digest in self.layers else BytesBlob(self._config)


@dataclass(frozen=True)
class _NoiseReader:
    noise: _Noise
    number: int

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = self.noise._piece(self.number, offset, len(view))

    def close(self) -> None:
        """Nothing is held open."""


def _ready(work: Path, gib: int) -> None:
    """How soon a bundle of `gib` GiB is served, of layers that cannot be compressed."""
    content = _Noise((gib << 30) // _LAYER)
    layers = [{"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": str(d), "size": _LAYER} for d in content.layers]
    config = {"mediaType": f"{OCI}.config.v1+json", "digest": str(content.config), "size": 2}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": layers}
    ).encode()
    manifests = {Digest.of(manifest): manifest}
    release = assemble([Image(ImageName("shop/large", "r1"), Digest.of(manifest))], manifests)
    bundle = work / "large.tar.zst"
    with output_file(bundle) as sink:
        write_bundle(PreparedBundle(Index.full(release), manifests, content), sink, Execution())
    times = []
    for _ in range(_TURNS):
        server = Server(lambda port: _serve_words(bundle, port), {})
        times.append((server.ready, server.cpu, server.memory))
        server.stop()
    ready, cpu, memory = map(statistics.median, zip(*times, strict=True))
    print(
        f"a bundle of {bundle.stat().st_size / 1e9:.2f} GB is served {ready:.2f} s after the command began, "
        f"after {cpu:.2f} s of processor time, in {memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()
