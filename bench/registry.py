"""Pull and push through the API of Debian's registry, beside `skopeo sync`: time, bytes on the wire, memory; `serve`.

    python -m bench.registry TREE [TREE2]

TREE is a tree of `dir:` images. Bytes on the wire are those of the registry's own process (`/proc/PID/io`). With TREE2,
the next release, a patch is pushed upon what the registry has: its bytes stand beside those that must be moved.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import airpatch
from bench.run import airpatch as airpatch_command
from bench.run import compare, emptied, measure, scratch, shell
from tests.registry.server import free_port, write_config


@contextmanager
def registry(root: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """A registry on `root`; gives HOST:PORT and its process id."""
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = write_config(root, port, folder, cache=False)  # else it remembers blobs that are gone
    process = subprocess.Popen(["docker-registry", "serve", config], stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait()


def wire(pid: int) -> tuple[int, int]:
    """Bytes that the process has read and written so far, files and sockets together."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["rchar"]), int(fields["wchar"])


def main() -> None:
    trees = [Path(word).resolve() for word in sys.argv[1:]]
    with scratch() as work:
        bundle = work / "bundle.tar.zst"
        airpatch.create(trees[0], bundle)
        with airpatch.open_bundle(bundle) as opened:
            names = [str(image.name) for image in opened.index.release.images]
            print(f"{len(names)} images, {opened.index.release.size / 1e6:.1f} MB of blobs")
        (work / "list").write_text("\n".join(names))
        root = work / "root"
        airpatch.apply(bundle, root)
        with registry(root, work) as (host, pid):
            out, images = work / "out.tar.zst", work / "images"
            (work / "sync.yml").write_text(
                f"{host}:\n  tls-verify: false\n  images:\n"
                + "".join(f"    {name.rpartition(':')[0]}: [{name.rpartition(':')[2]}]\n" for name in names)
            )
            print("pull")
            compare(
                [
                    airpatch_command(
                        "airpatch create --from", "create", "--images-list", work / "list", "--from",
                        f"docker://{host}", "--plain-http", "-q", "-o", out, prepare=emptied(out),
                    ),
                    shell(
                        "skopeo sync",
                        f"skopeo sync --all --scoped --src yaml --dest dir {work}/sync.yml {images}",
                        emptied(images),
                    ),
                ],
                3,
            )  # fmt: skip
            before = wire(pid)
            out.unlink(missing_ok=True)
            subprocess.run([sys.executable, "-m", "airpatch", "create", "--images-list", work / "list", "--from",
                            f"docker://{host}", "--plain-http", "-q", "-o", out], check=True)  # fmt: skip
            print(f"  the registry wrote {(wire(pid)[1] - before[1]) / 1e6:.1f} MB for one pull by airpatch")
            print("serve, beside the registry: pulls by airpatch")
            served = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "airpatch",
                    "serve",
                    bundle,
                    "--listen",
                    f"127.0.0.1:{(port := free_port())}",
                    "-q",
                ]
            )
            time.sleep(1)
            compare(
                [
                    shell(name, f"skopeo sync --all --scoped --src yaml --dest dir {yml} {images}", emptied(images))
                    for name, yml in (
                        ("from airpatch serve", _renamed(work, host, f"127.0.0.1:{port}")),
                        ("from docker-registry", work / "sync.yml"),
                    )
                ],
                3,
            )
            served.terminate()
            served.wait()
        target = work / "target"
        print("push into an empty registry")
        with registry(target, work) as (host, pid):
            empty = emptied(target / "docker")
            compare(
                [
                    airpatch_command("airpatch push BUNDLE", "push", bundle, f"docker://{host}", "--plain-http", "-q",
                                     prepare=empty),
                    shell(
                        "skopeo sync",
                        f"skopeo sync --all --src dir --dest docker --dest-tls-verify=false {trees[0]} {host}",
                        empty,
                    ),
                ],
                3,
            )  # fmt: skip
            if len(trees) > 1:
                _patch(work, bundle, trees[1], host, pid)


def _renamed(work: Path, old: str, new: str) -> Path:
    path = work / "serve.yml"
    path.write_text((work / "sync.yml").read_text().replace(old, new))
    return path


def _patch(work: Path, bundle: Path, tree: Path, host: str, pid: int) -> None:
    """What a patch costs that is pushed upon the registry."""
    patch = work / "patch.tar.zst"
    subprocess.run([sys.executable, "-m", "airpatch", "diff", "--base", bundle, tree, "-o", patch, "-q"], check=True)
    shutil.rmtree(work / "target/docker", ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "airpatch", "push", bundle, f"docker://{host}", "--plain-http", "-q"], check=True
    )
    with airpatch.open_bundle(patch) as opened:
        index = opened.index
    sources = sum(source.size for source in index.sources)
    new = sum(blob.size for blob in (*index.stored, *index.patched))
    read, written = wire(pid)
    run = measure(airpatch_command("airpatch push PATCH", "push", patch, f"docker://{host}", "--plain-http", "-q"))
    read, written = wire(pid)[0] - read, wire(pid)[1] - written
    print(f"push of a patch of {patch.stat().st_size / 1e6:.1f} MB upon the registry:")
    print(f"  {run.wall:.1f} s, {run.cpu:.1f} s of processor, {run.memory:.0f} MiB")
    print(f"  its sources {sources / 1e6:.1f} MB, its new blobs {new / 1e6:.1f} MB")
    print(
        f"  the registry's process read {read / 1e6:.1f} MB and wrote {written / 1e6:.1f} MB, files and sockets alike"
    )


if __name__ == "__main__":
    main()
