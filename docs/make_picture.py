"""Makes docs/tour.svg, the picture in the README, from a run of examples/tour.sh. Needs `pip install rich`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    output = subprocess.run(
        ["sh", "examples/tour.sh", "build/tour"], cwd=PROJECT, capture_output=True, check=True, text=True
    ).stdout.strip()
    console = Console(record=True, width=112, file=(PROJECT / "build" / "picture.txt").open("w"))
    for line in output.splitlines():
        console.print(Text(line, style="bold green" if line.startswith("$") else ""))
    picture = console.export_svg(title="airpatch: from images to a host without a network")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # a picture that loads nothing
    (PROJECT / "docs" / "tour.svg").write_text(picture.replace("Fira Code", "ui-monospace"))


if __name__ == "__main__":
    main()
