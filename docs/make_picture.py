"""Make docs/tour.svg, the picture in the README, from a run of examples/tour.sh.

    python docs/make_picture.py            write the picture anew
    python docs/make_picture.py --check    compare it; exit 1 if it differs

Needs the environment of ./check.sh.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent
PICTURE = PROJECT / "docs" / "tour.svg"


def draw() -> str:
    """The picture: the commands of the tour and what they print."""
    # The environment is the one that runs this; there is none to make.
    script = (PROJECT / "examples" / "tour.sh").read_text().replace("use_environment run\n", "")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = ["sh", "-c", script, "examples/tour.sh"]
    tour = subprocess.run(words, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    console = Console(record=True, width=112, file=io.StringIO())
    text = re.sub(r"^( *took) [0-9.]+ s$", r"\1 ... s", tour.stdout, flags=re.MULTILINE)  # differs from run to run
    for line in text.strip().splitlines():
        console.print(Text(line, style="bold green" if line.startswith("$") else ""))
    picture = console.export_svg(title="airpatch: from images to a host without a network")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # a picture that loads nothing
    return picture.replace("Fira Code", "ui-monospace")


def main() -> int:
    picture = draw()
    if sys.argv[1:] == ["--check"]:
        if picture == PICTURE.read_text():
            return 0
        print("docs/tour.svg is not what the tour prints: run python docs/make_picture.py", file=sys.stderr)
        return 1
    PICTURE.write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
