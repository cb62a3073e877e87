"""The command line as a process: signals, terminals, pipes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import zstandard

from airpatch_cli.commands import history
from airpatch_cli.main import main
from airpatch_cli.progress_display import ProgressDisplay
from airpatch_cli.signals import Terminated
from tests.cli.support import IMAGES, airpatch, environment, start


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until `condition` holds, for as long as `process` runs."""
    while not condition():
        assert process.poll() is None
        time.sleep(0.01)


def waiting_bytes(pipe: IO[bytes] | None) -> int:
    """Bytes in `pipe` that nobody has read."""
    assert pipe is not None
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_during_apply(number: signal.Signals, bundles: Path, tmp_path: Path) -> None:
    """Adversary 51: a signal while the bundle comes in leaves nothing but the lock."""
    content = (bundles / "r1.tar.zst").read_bytes()
    staging = tmp_path / "root" / ".airpatch" / "staging"
    with start("apply", "-", "--root", "root") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(content[: len(content) // 2])
        process.stdin.flush()
        wait_for(lambda: staging.exists() and len(list(staging.iterdir())) > 1, process)
        process.send_signal(number)
        message = process.stderr.read().decode()
    assert process.returncode == 128 + number
    assert "nothing is half-done" in message
    assert "Traceback" not in message
    assert not (tmp_path / "root").exists()
    assert airpatch("apply", bundles / "r1.tar.zst", "--root", "root").code == 0


@pytest.mark.parametrize(
    ("signalled", "code", "said"),
    [(KeyboardInterrupt(), 130, "interrupted"), (Terminated(signal.SIGTERM), 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_an_error_that_a_signal_led_to(
    signalled: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As threading raises one for a lock that it releases though the signal came before it was taken."""

    def run(_args: object, _console: object) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(threading.Lock().release)
            raise signalled

    monkeypatch.setattr(history, "run", run)
    done = airpatch("history", "root")
    assert (done.code, done.err) == (code, f"airpatch: {said}; nothing is half-done\n")


def test_at_a_terminal_what_ended_by_ctrl_c_is_told_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_args: object, _console: object) -> None:
        raise KeyboardInterrupt

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(history, "run", run)
    said = "\nairpatch: interrupted; nothing is half-done\n"
    for words, expected in ((["history", "root"], said), (["history", "root", "-q"], "")):
        with contextlib.redirect_stderr(Terminal()) as terminal:
            assert main(words) == 130
        assert terminal.getvalue() == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signal_during_create_to_a_pipe(number: signal.Signals) -> None:
    with start("create", IMAGES / "r1", "-o", "-") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        room = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF  # a short write takes a whole page
        wait_for(lambda: waiting_bytes(process.stdout) > room, process)  # it waits until somebody reads
        process.send_signal(number)
        process.wait()
        assert "nothing is half-done" in process.stderr.read().decode()
    assert process.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_that_the_caller_ignores_is_ignored(number: signal.Signals, bundles: Path) -> None:
    """As `nohup` asks for with SIGHUP, and a script with SIGINT for what it starts in the background."""
    content = (bundles / "r1.tar.zst").read_bytes()
    with start("apply", "-", "--root", "root", ignored=[number]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(content[: len(content) // 2])
        process.stdin.flush()
        process.send_signal(number)
        process.stdin.write(content[len(content) // 2 :])
        process.stdin.close()
        process.stdout.read()
    assert process.returncode == 0


def test_interrupted_create_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "full").write_text("the old one")
    monkeypatch.setattr(ProgressDisplay, "advance", interrupt)
    outcome = airpatch("create", IMAGES / "r1", "-o", "full")
    assert outcome.code == 130
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("full", "the old one")]


def test_interrupted_restore_leaves_old_images(monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path) -> None:
    """Adversary 56."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    manifest = tmp_path / "out" / "shop" / "web:r1" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("the old one")
    monkeypatch.setattr(ProgressDisplay, "advance", interrupt)
    assert airpatch("restore", root, "-o", "out").code == 130
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [manifest]
    assert manifest.read_text() == "the old one"


def test_a_bundle_is_not_written_to_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with start("create", IMAGES / "r1", "-o", "-", stdout=theirs) as process:
        assert process.stderr is not None
        message = process.stderr.read().decode()
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 2
    assert message == "airpatch: standard output is a terminal; redirect it, or name a file with -o\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [(("inspect", "root"), 128 + signal.SIGPIPE), (("inspect", "nothing"), 2)],
    ids=["result", "error"],
)
def test_nobody_reads_the_document(words: tuple[str, ...], code: int, root: Path) -> None:
    """A reader that goes away ends the command without noise, as it ends others; an error is still one."""
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*words, "--json", stdout=writing)
    os.close(writing)
    _, message = process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in message
    assert b"Exception" not in message


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch_cli.progress_display._DELAY", 0.0)
    monkeypatch.setattr("airpatch_cli.progress_display._LINE_EVERY", 0.0)


LINE = (
    r"airpatch: verifying \S+: \S+ k?M?B of 1\.6 MB \(\d+ %\), \S+ [kMG]?B/s, \d+:\d\d elapsed"
    r"(, \d+:\d\d left)?(, at [0-9a-f]+)?"
)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("mode", ["auto", "plain"])
def test_progress_in_a_log(mode: str, bundles: Path) -> None:
    err = airpatch("verify", bundles / "r1.tar.zst", "--progress", mode).err
    lines = err.splitlines()
    assert lines
    assert all(re.fullmatch(LINE, line) for line in lines)
    assert any(" left, at " in line for line in lines)
    assert re.search(r": 1\.6 MB of 1\.6 MB \(100 %\), \S+ [kMG]?B/s, \d:\d\d elapsed$", lines[-1])
    assert "\r" not in err


@pytest.mark.usefixtures("_at_once")
def test_progress_on_a_terminal(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundles)
    written = on_terminal("verify", "r1.tar.zst")
    assert "\rverifying " in written
    assert "%|" in written
    assert re.search(r"/1.57M \[00:00<\S+, \S+B/s\]|/1.57M \[00:00<\?, \?B/s\]", written)
    assert written.endswith("\r")  # the bar is gone


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("option", [("--progress", "off"), ("-q",)])
def test_no_progress(option: tuple[str, ...], bundles: Path) -> None:
    assert on_terminal("verify", bundles / "r1.tar.zst", *option) == ""


def test_what_is_quick_shows_no_progress(bundles: Path) -> None:
    assert on_terminal("verify", bundles / "r1.tar.zst") == ""


def on_terminal(*words: object) -> str:
    """What airpatch, run in this process, writes to a terminal on stderr."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with os.fdopen(theirs, "w") as terminal:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(terminal):
            assert main([str(word) for word in words]) == 0
        terminal.flush()
        os.set_blocking(ours, False)
        written = bytearray()
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(ours, 1 << 16):
                written += piece
    os.close(ours)
    return written.decode()


def test_a_current_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'rmdir "{gone}"; "{sys.executable}" -m airpatch create "{IMAGES}/r1" -o made'
    ended = subprocess.run(["sh", "-c", command], cwd=gone, env=environment(), capture_output=True, text=True)
    message = "airpatch: the current folder was removed; change to one that is there, and run again\n"
    assert (ended.returncode, ended.stderr) == (8, message)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("can't start new thread"),
        zstandard.ZstdError("zstd compress error: Allocation error : not enough memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_host_without_memory_is_told(error: Exception, bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("airpatch_cli.commands.inspect.run", fail)
    outcome = airpatch("inspect", bundles / "r1.tar.zst")
    assert (outcome.code, outcome.out) == (8, "")
    assert outcome.err.startswith("airpatch: there is not enough memory: allow the process more")
