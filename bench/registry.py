"""Pull and push through the API of a registry beside other clients, and patches that are pushed upon it.

    python -m bench.registry [--patches] TREE [TREE2 [TREE3]]

TREE is a tree of `dir:` images, the others are the releases after it, of which the patches are pushed upon the registry
one after the other; with `--patches`, that is all. The registry is Debian's `docker-registry`, or the program that
`$REGISTRY` names. skopeo, crane, oras and regctl are measured where they are installed. Each client moves all images in
one command, or in one command for each image where it has none for many. What was pulled is on disk when the clock
stops: airpatch sees to that, `sync` does it for the others. Bytes on the wire are counted in one more run, by a relay.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import airpatch
from bench.run import Command, compare, emptied, measure, scratch, shell
from bench.run import airpatch as airpatch_command
from tests.registry.server import free_port, write_config

_TURNS = 3
_SAMPLE = 0.02
"""Seconds between two looks at the scratch files of a process."""


@contextmanager
def registry(root: Path, folder: Path) -> Iterator[str]:
    """A registry on `root`; gives HOST:PORT."""
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = write_config(root, port, folder, cache=False)  # else it remembers blobs that are gone
    words = [os.environ.get("REGISTRY", "docker-registry"), "serve", str(config)]
    with _running(words, f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@contextmanager
def _running(words: Sequence[str], host: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server at `host`, which answers."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(host):
            if process.poll() is not None:
                sys.exit(f"{words[0]} does not start")
            time.sleep(0.005)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(host: str) -> bool:
    address, _, port = host.rpartition(":")
    with suppress(OSError), socket.create_connection((address, int(port))) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False


class Relay:
    """Passes connections on to `upstream`, and counts bytes: `sent` to it, and `received` from it."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = host, int(port)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.sent = self.received = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(self._upstream)
            for source, target, is_request in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(source, target, is_request), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 18):
                with self._lock:
                    if is_request:
                        self.sent += len(piece)
                    else:
                        self.received += len(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Client:
    """How one client moves all images: `pull` out of a registry into a folder, `push` into one."""

    name: str
    pull: Callable[[str, Path], Command]
    push: Callable[[str], Command]


def clients(work: Path, tree: Path, names: Sequence[str], bundle: Path) -> list[Client]:
    """airpatch, and those of the others that are installed."""

    def pull_by_airpatch(host: str, out: Path) -> Command:
        words = ("--images-list", work / "list", "--from", f"docker://{host}", "--plain-http", "-q")
        return airpatch_command("airpatch create", "create", *words, "-o", out / "bundle", prepare=_fresh(out))

    def push_by_airpatch(host: str) -> Command:
        return airpatch_command("airpatch push", "push", bundle, f"docker://{host}", "--plain-http", "-q")

    def pull_by_skopeo(host: str, out: Path) -> Command:
        images = "".join(f"    {name.rpartition(':')[0]}: [{name.rpartition(':')[2]}]\n" for name in names)
        yml = work / f"sync-{host}.yml"
        yml.write_text(f"{host}:\n  tls-verify: false\n  images:\n{images}")
        return shell(
            "skopeo sync",
            f"skopeo sync --all --scoped --src yaml --dest dir {yml} {out}; {_on_disk(out)}",
            emptied(out),
        )

    def push_by_skopeo(host: str) -> Command:
        options = "--all --src dir --dest docker --dest-tls-verify=false"
        return shell("skopeo sync", f"skopeo sync {options} {tree} {host}")

    def each(line: str) -> str:
        return "; ".join(line.format(name=name, folder=name.replace("/", "_")) for name in names)

    layouts = {tool: work / f"layouts-{tool}" for tool in ("crane", "oras", "regctl")}
    lines = {
        "crane": (
            "crane pull --insecure --format oci {host}/{name} {out}/{folder}",
            "crane push --insecure {layouts}/{folder} {host}/{name}",
        ),
        "oras": (
            "oras copy -r --from-plain-http {host}/{name} --to-oci-layout {out}/{folder}",
            "oras copy -r --to-plain-http --from-oci-layout {layouts}/{folder} {host}/{name}",
        ),
        "regctl": (
            "regctl image copy {host}/{name} ocidir://{out}/{folder}",
            "regctl image copy ocidir://{layouts}/{folder} {host}/{name}",
        ),
    }

    def other(tool: str) -> Client:
        pulling, pushing = (f"{line} >/dev/null" for line in lines[tool])
        return Client(
            tool,
            lambda host, out: shell(
                tool,
                f"{each(pulling.replace('{host}', host).replace('{out}', str(out)))}; {_on_disk(out)}",
                _fresh(out),
            ),
            lambda host: shell(tool, each(pushing.replace("{host}", host).replace("{layouts}", str(layouts[tool])))),
        )

    return [
        Client("airpatch", pull_by_airpatch, push_by_airpatch),
        Client("skopeo", pull_by_skopeo, push_by_skopeo),
        *(other(tool) for tool in lines if shutil.which(tool)),
    ]


def _on_disk(folder: Path) -> str:
    """Return the command that waits until all files in the folder are on disk."""
    return f"find {folder} -type f -exec sync -d {{}} +"


def _fresh(folder: Path) -> Callable[[], None]:
    """For `prepare`: have the folder there, empty."""
    empty = emptied(folder)

    def run() -> None:
        empty()
        folder.mkdir(parents=True)

    return run


def main() -> None:
    words = sys.argv[1:]
    only_patches = words[:1] == ["--patches"]
    trees = [Path(word).resolve() for word in words[only_patches:]]
    with scratch() as work:
        if not only_patches:
            compare_clients(trees[0], work)
        push_patches(trees, work)


def push_patches(trees: Sequence[Path], work: Path) -> None:
    """Push the patches from tree to tree upon a registry that has the first one's images."""
    airpatch.create(trees[0], work / "first")
    airpatch.apply(work / "first", work / "patched")
    with registry(work / "patched", work) as host:
        for before, after in itertools.pairwise(trees):
            push_patch(_make_patch(work, before, after), host)


def compare_clients(tree: Path, work: Path) -> None:
    """Pull and push by airpatch and the other clients, in turn."""
    bundle = work / "bundle.tar.zst"
    airpatch.create(tree, bundle)
    with airpatch.open_bundle(bundle) as opened:
        release = opened.index.release
    names = [str(image.name) for image in release.images]
    print(f"{len(names)} images, {release.size / 1e6:.1f} MB of blobs")
    (work / "list").write_text("\n".join(names))
    airpatch.apply(bundle, work / "root")
    found = clients(work, tree, names, bundle)
    with registry(work / "root", work) as host:
        print("pull")
        compare([client.pull(host, work / "out") for client in found], _TURNS)
        for client in found:
            relay = Relay(host)
            measure(client.pull(relay.address, work / "out"))
            _print_wire(client, relay)
        for client in found[2:]:
            measure(client.pull(host, work / f"layouts-{client.name}"))
    target = work / "target"
    print("push into an empty registry")
    with registry(target, work) as host:
        empty = emptied(target / "docker")

        def into_nothing(command: Command) -> Command:
            return Command(command.name, command.words, empty)

        compare([into_nothing(client.push(host)) for client in found], _TURNS)
        for client in found:
            relay = Relay(host)
            measure(into_nothing(client.push(relay.address)))
            _print_wire(client, relay)


def _print_wire(client: Client, relay: Relay) -> None:
    print(f"  {client.name}: {relay.received / 1e6:.1f} MB from the registry, {relay.sent / 1e6:.1f} MB to it")


def _make_patch(work: Path, before: Path, after: Path) -> Path:
    """Return the patch between two trees."""
    base, patch = work / "base.tar.zst", work / "patch.tar.zst"
    airpatch.create(before, base)
    words: list[str | Path] = [sys.executable, "-m", "airpatch", "diff", "--base", base, after, "-o", patch, "-q"]
    subprocess.run(words, check=True)
    return patch


def push_patch(patch: Path, host: str) -> None:
    """What it costs to push the patch upon the registry, which has its base."""
    with airpatch.open_bundle(patch) as opened:
        index = opened.index
    sources = sum(source.size for source in index.sources)
    new = sum(blob.size for blob in (*index.stored, *index.patched))
    relay = Relay(host)
    words = ("push", patch, f"docker://{relay.address}", "--plain-http", "-q")
    command = airpatch_command("airpatch push PATCH", *words)
    with _watched() as peak:
        run = measure(Command(command.name, ["env", f"{_MARK}=1", *command.words]))
    print(f"push of the patch to {index.release.name}, {patch.stat().st_size / 1e6:.1f} MB, upon the registry:")
    memory = max(peak.memory / 2**20, run.memory)
    print(f"  {run.wall:.1f} s, {run.cpu:.1f} s of processor, scratch {peak.scratch / 1e6:.0f} MB")
    print(f"  {memory:.0f} MiB of memory with the files in it; {run.memory:.0f} MiB were resident")
    moved = relay.sent + relay.received
    print(f"  {relay.received / 1e6:.3f} MB from it, of which {sources / 1e6:.3f} MB are sources")
    print(f"  {relay.sent / 1e6:.3f} MB to it, of which {new / 1e6:.3f} MB are new blobs")
    print(f"  {moved / (sources + new) - 1:.2%} more than these")


_MARK = "AIRPATCH_BENCH_WATCHED"


@dataclass
class _Peak:
    """The most bytes that a process had in scratch files on disk, and in memory, with files there."""

    scratch: int = 0
    memory: int = 0


@contextmanager
def _watched() -> Iterator[_Peak]:
    """Gives the peak of the process that has `_MARK` in its environment."""
    peak = _Peak()
    end = threading.Event()

    def watch() -> None:
        watched = None
        while not end.wait(_SAMPLE):
            watched = watched or next(filter(_is_marked, Path("/proc").glob("[0-9]*")), None)
            if watched is not None:
                scratch, in_memory = _nameless(watched)
                peak.scratch = max(peak.scratch, scratch)
                peak.memory = max(peak.memory, in_memory + _resident(watched))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        end.set()
        thread.join()


def _is_marked(process: Path) -> bool:
    with suppress(OSError):
        return _MARK.encode() in (process / "environ").read_bytes()
    return False


def _nameless(process: Path) -> tuple[int, int]:
    """The bytes of its files without a name: on disk, and in memory."""
    on_disk = in_memory = 0
    seen = set()  # whoever maps a file has another descriptor of it
    with suppress(OSError):
        for each in (process / "fd").iterdir():
            with suppress(OSError):
                place = str(each.readlink())
                status = each.stat()
                size = 0 if status.st_ino in seen else status.st_blocks * 512
                seen.add(status.st_ino)
                if place.startswith("/memfd:"):
                    in_memory += size
                elif place.endswith(" (deleted)"):
                    on_disk += size
    return on_disk, in_memory


def _resident(process: Path) -> int:
    """The bytes of its memory, but for mapped files that lie in memory."""
    total = 0
    with suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssFile:")):
                total += int(line.split()[1]) << 10
    return total


if __name__ == "__main__":
    main()
