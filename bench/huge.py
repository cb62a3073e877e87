"""One layer as large as wanted: memory and speed of `diff` and `apply`, and the proof that its digest is right.

`python -m bench.huge [MIB [ENCODER]]` packs MIB (64) of this machine's `/usr` into a layer, changes one file of twenty
for the next release, and compresses both with ENCODER ("gzip -6"). Where `/usr` has less, its files come again with
other values for their bytes: as compressible as before, but like nothing that was there. All that lies below
`$AIRPATCH_BENCH` takes up to six times MIB.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.run import Command, airpatch, measure, scratch
from bench.scale import OCI, write_manifest

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SYSTEM = "/usr"
CHANGED = 0.05
"""Of all files. In one, 8 places are overwritten and one gets longer, so that what follows it moves."""
BUDGETS = {"diff": 1024, "apply": 512}
"""MiB that a command may take: `--memory` by default, and half of it."""


def main() -> None:
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    encoder = sys.argv[2] if len(sys.argv) > 2 else "gzip -6"
    with scratch() as place:
        old, new = place / "old", place / "new"
        with image(old / "huge:r1", encoder) as first, image(new / "huge:r2", encoder) as second:
            fill(first, second, mib << 20)
        layer = json.loads((new / "huge:r2/manifest.json").read_bytes())["layers"][0]
        print(f"{mib} MiB of uncompressed data, {encoder}: a layer of {layer['size']:,} bytes")
        base, patch, root = place / "base.tar.zst", place / "patch.tar.zst", place / "root"
        measure(airpatch("create", "create", old, "-o", base, "-q"))
        measure(airpatch("apply", "apply", base, "--root", root, "-q"))
        report(airpatch("diff", "diff", "--base", base, new, "-o", patch, "-q"), mib)
        print(f"  patch: {patch.stat().st_size:,} bytes")
        report(airpatch("apply", "apply", patch, "--root", root, "-q"), mib)
        name = layer["digest"].removeprefix("sha256:")
        if digest(root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data") != layer["digest"]:
            sys.exit("the layer in the root does not have its digest")
        print("  the layer in the root has its digest")


def report(command: Command, mib: int) -> None:
    run = measure(command)
    print(
        f"  {command.name}: {run.wall:.1f} s, {run.cpu:.1f} s of CPU time, {mib * 1.048576 / run.wall:.1f} MB/s, "
        f"{run.memory:.0f} MiB of {BUDGETS[command.name]}"
    )


def fill(old: tarfile.TarFile, new: tarfile.TarFile, size: int) -> None:
    """Files of the system with `size` bytes in all, into the new tar with changes."""
    chance = random.Random(1)
    for path, data in files(size):
        add(old, path, data)
        add(new, path, changed(data, chance) if chance.random() < CHANGED else data)


def files(size: int) -> Iterator[tuple[str, bytes]]:
    """Paths, each only once, and contents."""
    alphabet = bytes(range(256))
    for turn in range(sys.maxsize):
        for folder, folders, names in os.walk(SYSTEM):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                data = path.read_bytes()[:size].translate(alphabet)
                size -= len(data)
                yield f"{turn}{path}", data
                if not size:
                    return
        alphabet = bytes(random.Random(turn).sample(alphabet, 256))


def changed(data: bytes, chance: random.Random) -> bytes:
    """The next version of a file."""
    result = bytearray(data)
    for _ in range(8):
        at = chance.randrange(len(data) + 1)
        result[at : at + 16] = chance.randbytes(16)
    at = chance.randrange(len(data) + 1)
    result[at:at] = chance.randbytes(100)
    return bytes(result)


def add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@contextmanager
def image(folder: Path, encoder: str) -> Iterator[tarfile.TarFile]:
    """An image in `folder` of one layer: what is added to the tar, compressed by the command `encoder`."""
    folder.mkdir(parents=True)
    layer = folder / "layer"
    with layer.open("wb") as output, subprocess.Popen(encoder.split(), stdin=subprocess.PIPE, stdout=output) as process:
        assert process.stdin is not None
        uncompressed = _Hashed(process.stdin)
        with tarfile.open(fileobj=uncompressed, mode="w|", bufsize=1 << 20) as tar:
            yield tar
        process.stdin.close()
        if process.wait():
            sys.exit(f"{encoder}: exit {process.returncode}")
    name = digest(layer)
    described = {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": name, "size": layer.stat().st_size}
    layer.rename(folder / name.removeprefix("sha256:"))
    write_manifest(folder, [described], [f"sha256:{uncompressed.hasher.hexdigest()}"])


class _Hashed(io.RawIOBase):
    """Hashes what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hasher = hashlib.sha256()

    def write(self, data: ReadableBuffer) -> int:
        self.hasher.update(data)
        return self._file.write(data)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


if __name__ == "__main__":
    main()
