"""What guided fuzzing (fuzz/targets.py) has found: inputs that reach what no vector does, in fixtures/fuzz.

    python -m fuzz.corpora FOLDER

takes over the corpora of a campaign (fuzz/campaign.py) in FOLDER, in the place of those that were there: each as
fixtures/fuzz/NAME.tar.zst, which later runs of the target NAME begin with, and what was counted as NAME.json beside it.
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

CORPORA = Path(__file__).parent.parent / "fixtures" / "fuzz"
_LEVEL = 19


def found(name: str) -> Iterator[bytes]:
    """Yield the inputs that were found for the target `name`."""
    path = CORPORA / f"{name}.tar.zst"
    if not path.exists():
        return
    with zstandard.open(path, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                yield file.read()


def take_over(name: str, folder: Path) -> int:
    """Store the inputs in `folder` as those found for the target `name`; return how many there are."""
    inputs = sorted(path for path in folder.iterdir() if path.is_file())
    joined = io.BytesIO()
    with tarfile.open(fileobj=joined, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in inputs:
            member = tarfile.TarInfo(path.name)
            member.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(member, file)
    CORPORA.mkdir(exist_ok=True)
    (CORPORA / f"{name}.tar.zst").write_bytes(zstandard.compress(joined.getvalue(), _LEVEL))
    shutil.copyfile(folder.with_suffix(".json"), CORPORA / f"{name}.json")
    return len(inputs)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for place in sorted(Path(sys.argv[1]).iterdir()):
        if place.is_dir():
            print(f"{place.name}: {take_over(place.name, place)} inputs")
