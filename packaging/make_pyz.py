"""Put airpatch and its packages into one file for hosts that have Python: make_pyz.py OUTPUT WHEEL...

Wheels for one version of Python go into a folder of their own, all others into `any`; `pyz_main.py` takes what fits.
Same wheels, same bytes.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

MAIN = Path(__file__).resolve().parent / "pyz_main.py"
_WHEN = (2020, 1, 1, 0, 0, 0)
_SHEBANG = b"#!/usr/bin/env python3\n"


def members(wheels: list[Path]) -> Iterator[tuple[str, bytes]]:
    """The files of all wheels, by their names in the archive."""
    for wheel in wheels:
        version = re.fullmatch(r".+-(cp3\d+)-cp3\d+-[^-]+\.whl", wheel.name)  # and not abi3 or none
        folder = version[1] if version else "any"
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    place, _, rest = name.partition(".data/purelib/")
                    yield f"{folder}/{rest or place}", archive.read(name)


def main() -> None:
    output, *wheels = map(Path, sys.argv[1:])
    with output.open("wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in (("__main__.py", MAIN.read_bytes()), *sorted(members(wheels))):
                archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED, 9)
    output.chmod(0o755)


if __name__ == "__main__":
    main()
