"""Put the launcher before PyInstaller's executable: join_executable.py PROGRAM OUTPUT PYTHON-WITH-ZIG."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

LAUNCHER = Path(__file__).resolve().parent / "launcher.c"


def main() -> None:
    program, output, python = sys.argv[1:]
    glibc = platform.libc_ver()[1]  # of the interpreter inside, which was built for this system
    with tempfile.TemporaryDirectory() as name:
        launcher = Path(name) / "launcher"
        words = ["-target", "x86_64-linux-musl", "-static", "-Os", "-s", "-Wall", "-Werror", f'-DGLIBC="{glibc}"']
        subprocess.run([python, "-m", "ziglang", "cc", *words, "-o", str(launcher), str(LAUNCHER)], check=True)
        content = Path(program).read_bytes()
        size = len(content).to_bytes(8, "little")
        Path(output).write_bytes(launcher.read_bytes() + content + size)
    Path(output).chmod(0o755)


if __name__ == "__main__":
    main()
