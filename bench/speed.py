"""How near `diff` and `apply` come to what a machine must do anyway.

`python -m bench.speed OLD NEW` takes two trees of `dir:` images, by default the small ones in `fixtures/`. For both
commands, on one thread, it prints MB of changed uncompressed content for each second of processor time. Beside them
stand the limits: inflating the changed layers and their sources once, with ISA-L and with this project's own inflater,
which also gives tokens; sha256 over the same blobs; copying the changed blobs, and `sync -f`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BlobReader, pieces
from airpatch.deflate.first_member import first_member_tokens
from airpatch.errors import FormatError
from airpatch.layers.compression import extract
from airpatch.model.manifest import MAX_BLOB
from bench.patches import EXAMPLES, uncompressed
from bench.run import Command, Run, airpatch, compare, emptied, measure, scratch, shell

_TIMES = 3


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] in _WORK:
        for path in sys.argv[2:]:
            with closing(_File(Path(path))) as file:
                _WORK[sys.argv[1]](file)
        return
    old, new = (Path(argument) for argument in sys.argv[1:3]) if len(sys.argv) > 2 else EXAMPLES
    with scratch() as place:
        base, patch, root = place / "old.tar.zst", place / "patch.tar.zst", place / "root"
        measure(airpatch("create", "create", old, "-o", base, "-q"))

        def installed() -> None:
            emptied(root)()
            measure(airpatch("apply", "apply", base, "--root", root, "-q"))

        diff = airpatch("diff", "diff", "--jobs", "1", "--base", base, new, "-o", patch, "-q")
        measure(diff)
        changed, every = place / "changed", place / "every"
        index = BundleFile(str(patch)).index
        made = {step.digest.hex for step in index.steps}
        named = made | {source.digest.hex for source in index.sources}
        _link_blobs(new, changed, made)
        for tree in (old, new):
            _link_blobs(tree, every, named)
        copied = place / "copied"
        blobs = sorted(map(str, every.iterdir()))
        found = compare(
            [
                diff,
                airpatch("apply", "apply", "--jobs", "1", patch, "--root", root, "-q", prepare=installed),
                *(Command(name, [sys.executable, "-m", "bench.speed", name, *blobs]) for name in _WORK),
                shell(_COPY, f"cp -rL {changed} {copied}; sync -f {copied}", emptied(copied)),
            ],
            _TIMES,
        )
        _print_rates(found, uncompressed(patch), patch.stat().st_size)


def _link_blobs(tree: Path, folder: Path, digests: set[str]) -> None:
    """Link those blobs of a tree into `folder`, each once."""
    folder.mkdir(exist_ok=True)
    for path in tree.rglob("*"):
        if path.name in digests and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())


def _print_rates(found: Mapping[str, Run], changed: int, size: int) -> None:
    print(f"  {size:,} bytes of patch for {changed:,} bytes of changed uncompressed content")
    for name, run in found.items():
        print(f"  {name:<44}{changed / 1e6 / run.cpu:>9.1f} MB/s")


_COPY = "cp of the changed blobs, sync -f"


class _File(BlobReader):
    """A blob in a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = path.stat().st_size

    def read_into(self, view: memoryview, offset: int) -> None:
        self._file.seek(offset)
        self._file.readinto(view)

    def close(self) -> None:
        self._file.close()

    def pieces(self) -> Iterator[memoryview]:
        return pieces(self, self.size)


def _inflate(file: _File) -> None:
    extract(file, file.size, lambda _piece: None, MAX_BLOB)


def _tokens(file: _File) -> None:
    try:
        for _ in first_member_tokens(file.pieces()):
            pass
    except FormatError:  # of a blob that is no gzip file
        pass


def _sha256(file: _File) -> None:
    hasher = hashlib.sha256()
    for piece in file.pieces():
        hasher.update(piece)


_WORK: dict[str, Callable[[_File], None]] = {"inflate": _inflate, "tokens": _tokens, "sha256": _sha256}

if __name__ == "__main__":
    main()
