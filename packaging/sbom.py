"""Print the software bill of materials of the executable, in CycloneDX 1.6: sbom.py SYSTEM-PACKAGES PACKAGE...

Components are the interpreter, the system's packages in the file, a name and a version on each line, and the packages
named, as they are installed where this runs.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote


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
        ],
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
