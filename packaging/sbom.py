"""Print the software bill of materials of the executable, in CycloneDX 1.6: sbom.py SYSTEM-PACKAGES PACKAGE...

Components are the interpreter, the system's packages in the file, a name and a version on each line, the packages
named, as they are installed where this runs, and libraries whose sources are in airpatch.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote

from airpatch.encoders import libbrotli, libzopfli, libzstd

_COMPILED = (
    ("zstd", libzstd.VERSIONS, "BSD-3-Clause"),
    ("brotli", (libbrotli.VERSION,), "MIT"),
    ("zopfli", (libzopfli.VERSION,), "Apache-2.0"),
)


def component(name: str) -> dict[str, object]:
    package = distribution(name)
    fields = [field for field in ("License-Expression", "License") if field in package.metadata]
    licence = package.metadata[fields[0]] if fields else ""
    return {
        "type": "library",
        "name": package.metadata["Name"],
        "version": package.version,
        "purl": f"pkg:pypi/{re.sub('[-_.]+', '-', package.metadata['Name']).lower()}@{package.version}",
        **({"licenses": [{"license": {"name": licence.splitlines()[0]}}]} if licence else {}),
    }


def system_component(line: str) -> dict[str, object]:
    name, version = line.split()
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:deb/debian/{name}@{quote(version)}"}


def vendored() -> Iterator[dict[str, object]]:
    """Yield what is compiled into the codecs, and what is in the pages of reports."""
    for name, versions, licence in _COMPILED:
        for version in versions:
            yield _vendored(name, version, f"pkg:generic/{name}@{version}", licence)
    for script in sorted(resources.files("airpatch.report.page").iterdir(), key=lambda each: each.name):
        if head := re.match(r"// https://d3js.org/(d3-\w+)/ v([0-9.]+) ", script.read_text()):
            yield _vendored(head[1], head[2], f"pkg:npm/{head[1]}@{head[2]}", "ISC")


def _vendored(name: str, version: str, purl: str, licence: str) -> dict[str, object]:
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": licence}}],
    }


def main() -> None:
    system, *packages = sys.argv[1:]
    python = {
        "type": "platform",
        "name": "CPython",
        "version": platform.python_version(),
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**component("airpatch"), "type": "application"}},
        "components": [
            python,
            *map(system_component, Path(system).read_text().splitlines()),
            *map(component, packages),
            *vendored(),
        ],
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
