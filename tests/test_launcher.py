"""The launcher of the executable, around a small program: what signals do, where it unpacks, how it ends."""

from __future__ import annotations

import os
import platform
import pty
import runpy
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[1] / "packaging"
JOINING = runpy.run_path(str(PACKAGING / "join_executable.py"))
HEADER = "#include <stddef.h>\nsize_t ZSTD_decompress(void *to, size_t room, const void *from, size_t size);\n"
STORED = """\
#include <string.h>
#include <zstd.h>
size_t ZSTD_decompress(void *to, size_t room, const void *from, size_t size) {
    memcpy(to, from, size < room ? size : room);
    return size;
}
"""
"""In place of zstd: a frame that is not compressed."""
PROGRAM = """\
#!{python}
import os, signal, sys
def say(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())  # print could be interrupted by itself
def end(number, _):
    say(number)
    if number != signal.SIGUSR1 and 'stay' not in sys.argv:
        sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, end)
say(os.getpid(), os.path.dirname(os.path.dirname(sys.argv[0])), sys.argv[4:])
while True:
    signal.pause()
"""
"""In place of the dynamic linker, which the launcher starts: says where it is, and what arrives."""

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or platform.machine() not in JOINING["LINKER"], reason="needs a C compiler"
)


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launcher")
    (folder / "zstd.h").write_text(HEADER)
    (folder / "zstd.c").write_text(STORED)
    launcher = folder / "airpatch"
    words: list[str | Path] = ["cc", "-O1", "-Wall", "-Werror", "-Wno-format-truncation", f"-I{folder}", "-o", launcher]
    subprocess.run([*words, PACKAGING / "launcher.c", folder / "zstd.c"], check=True)
    name = f"_internal/{JOINING['LINKER'][platform.machine()]}".encode()
    program = PROGRAM.format(python=sys.executable).encode()
    content = struct.pack("<IIQ", 0o100700, len(name), len(program)) + name + program
    with launcher.open("ab") as file:
        file.write(content + struct.pack("<QQ", len(content), len(content)))
    return launcher


@pytest.fixture(autouse=True)
def _signals_as_usual() -> Iterator[None]:
    """Whatever the caller of the tests ignores, which processes inherit."""
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in (signal.SIGINT, signal.SIGHUP)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture
def started(executable: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command: list[str | Path] = [executable, "a word"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_for_the_executable_reaches_the_program(
    started: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    _, folder, words = said(started).split(" ", 2)
    (made,) = tmp_path.iterdir()
    assert (folder, words) == (str(made), "['a word']")
    started.send_signal(number)
    assert said(started) == str(int(number))
    assert started.wait() == 7
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_a_signal_kills_leaves_nothing(started: subprocess.Popen[str], tmp_path: Path) -> None:
    program = int(said(started).split()[0])
    os.kill(program, signal.SIGKILL)
    assert started.wait() == 128 + signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_from_the_keyboard_arrives_once(executable: Path, tmp_path: Path) -> None:
    """The terminal sends it to the program, too."""
    terminal, end = pty.openpty()
    try:
        command: list[str | Path] = ["setsid", "--ctty", "--wait", executable, "stay"]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        with subprocess.Popen(command, env=environment, stdin=end, stdout=subprocess.PIPE, text=True) as process:
            program = int(said(process).split()[0])
            os.write(terminal, b"\x03")
            assert said(process) == str(int(signal.SIGINT))
            os.kill(program, signal.SIGUSR1)  # comes after what the launcher would have passed on
            assert said(process) == str(int(signal.SIGUSR1))
            os.kill(program, signal.SIGKILL)
    finally:
        os.close(terminal)
        os.close(end)


def test_a_signal_that_the_caller_ignores_is_ignored(executable: Path, tmp_path: Path) -> None:
    """As a script does with SIGINT for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the process
    try:
        command, environment = [executable], {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        said(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGUSR1)
        assert said(process) == str(int(signal.SIGUSR1))
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 7
