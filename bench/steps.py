"""What any implementation must do, each step by the best tool for it: the limit that `bench.speed` compares with.

`python -m bench.steps [STEP FOLDER]...` carries the steps out one after the other on the files of each folder:
`sha256` (OpenSSL), `inflate` (ISA-L, libzstd), `copy` (`cp` into FOLDER.copy, then `sync -f`).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

_PIECE = 1 << 20


def _sha256(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def _inflate(folder: Path) -> None:
    import zstandard
    from isal import igzip

    for path in folder.iterdir():
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(0)
            if start == b"\x1f\x8b":
                stream = igzip.open(file)
            else:
                stream = zstandard.ZstdDecompressor().stream_reader(file) if start == b"\x28\xb5" else file
            while stream.read(_PIECE):
                pass


def _copy(folder: Path) -> None:
    copied = folder.with_suffix(".copy")
    subprocess.run(["cp", "-rL", folder, copied], check=True)
    subprocess.run(["sync", "-f", copied], check=True)


_STEPS = {"sha256": _sha256, "inflate": _inflate, "copy": _copy}

if __name__ == "__main__":
    for step, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        _STEPS[step](Path(folder))
