"""Standard streams that are closed, full, without a reader or of another encoding: no traceback, right exit codes."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch_cli.run import PRINTING
from airpatch_cli.standard_streams import NO_READER, visible
from tests.cli.support import IMAGES, airpatch, environment, start

CREATE = ("create", str(IMAGES / "r1"), "--release", "r1", "--sequence", "1")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell, in which $airpatch is the command."""
    command = {"airpatch": f"{sys.executable} -m airpatch", "create": " ".join(CREATE)}
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env={**environment(), **command}, capture_output=True, check=False
    )


@pytest.fixture
def place(bundles: Path, tmp_path: Path) -> Path:
    (tmp_path / "r1.tar.zst").symlink_to(bundles / "r1.tar.zst")
    return tmp_path


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_bundle_goes_to_a_file_behind_standard_output(output: str, place: Path) -> None:
    done = shell(f"echo before > out; $airpatch $create -o {output} >> out", place)
    assert (done.returncode, b"release r1" in done.stderr) == (0, True)
    assert (place / "out").read_bytes() == b"before\n" + (place / "r1.tar.zst").read_bytes()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$airpatch $create -o made >&-", 0),
        ("$airpatch $create -o made <&- >&- 2>&-", 0),
        ("$airpatch $create -o made > /dev/full", 0),
        ("$airpatch $create -o made 2> /dev/full", 0),
        ("$airpatch $create -o - >&-", 8),
        ("$airpatch $create -o - > /dev/full", 8),
        ("$airpatch apply r1.tar.zst --root root >&-", 0),
        ("$airpatch apply r1.tar.zst --root root <&- >&- 2>&-", 0),
        ("$airpatch apply - --root root <&-", 8),
        ("$airpatch inspect r1.tar.zst >&-", 8),
        ("$airpatch inspect r1.tar.zst > /dev/full", 8),
        ("$airpatch inspect r1.tar.zst --json > /dev/full", 8),
        ("$airpatch inspect nothing --json >&- 2>&-", 8),
        ("$airpatch apply nothing --root root >&- 2>&-", 2),
        ("$airpatch --help > /dev/full", 8),
        ("$airpatch --help >&-", 0),
    ],
)
def test_closed_and_full_streams(line: str, code: int, place: Path) -> None:
    done = shell(line, place)
    assert done.returncode == code, done.stderr
    for noise in (b"Traceback", b"Exception ignored", b"internal error"):
        assert noise not in done.stderr
    if "-o made" in line:
        assert (place / "made").read_bytes() == (place / "r1.tar.zst").read_bytes()


def test_a_result_that_cannot_be_printed_is_told(place: Path) -> None:
    done = shell("$airpatch apply r1.tar.zst --root root > /dev/full", place)
    assert done.returncode == 0
    assert b"airpatch: done, but standard output: cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("inspect", "--json", "r1.tar.zst")], ids=["help", "result"])
def test_nobody_reads(words: tuple[str, ...], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*words, stdout=writing)
    os.close(writing)
    _, message = process.communicate()
    assert (process.returncode, message) == (NO_READER, b"")


def test_what_was_done_counts_though_nobody_reads_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    reading, writing = os.pipe()
    os.close(reading)
    process = start("apply", "r1.tar.zst", "--root", "root", stdout=writing)
    os.close(writing)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [(("inspect", "r1.tar.zst"), 130), (("apply", "r1.tar.zst", "--root", "root"), 0)],
    ids=["printing", "work"],
)
def test_ctrl_c_while_the_result_is_printed(
    words: tuple[str, ...], code: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(place)
    monkeypatch.setattr("airpatch_cli.console.write_lines", interrupted)
    outcome = airpatch(*words)
    assert (outcome.code, "Traceback" in outcome.err) == (code, False)


EVERY_COMMAND = {
    "create": "create $images/r1 --release r1 --sequence 1 -o made",
    "create repacked": "create $images/r1 --repack -o made",
    "diff": "diff --base r1.tar.zst $images/r2 -o made",
    "explain": "explain --base r1.tar.zst $images/r2",
    "apply": "apply r1.tar.zst r1-r2.tar.zst --root new",
    "merge": "merge r1.tar.zst r1-r2.tar.zst -o made",
    "inspect": "inspect r1-r2.tar.zst",
    "inspect a root": "inspect root",
    "verify": "verify r1-r2.tar.zst --base r1.tar.zst",
    "verify a root": "verify root",
    "restore": "restore root -o made",
    "restore an archive": "restore r1.tar.zst --as oci-archive -o made",
    "inventory": "inventory root -o made",
    "rollback": "rollback root --to r1",
    "prune": "prune root --keep 1",
    "history": "history root",
    "completion": "completion bash",
}
SURROUNDINGS = {
    "all closed": ("{} <&- >&- 2>&-", 8),
    "stdout full": ("{} > /dev/full", 8),
    "stderr full, ascii, few open files": (
        "export PYTHONIOENCODING=ascii LC_ALL=C; ulimit -n 200; {} 2> /dev/full",
        0,
    ),
}
"""The line, and the exit code of commands whose work it is to print; others do their work."""


@pytest.mark.slow
@pytest.mark.parametrize("how", SURROUNDINGS)
@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_command_in_every_surrounding(name: str, how: str, place: Path, bundles: Path, root: Path) -> None:
    (place / "r1-r2.tar.zst").symlink_to(bundles / "r1-r2.tar.zst")
    line, code = SURROUNDINGS[how]
    done = shell(f"images={IMAGES}; " + line.format(f"$airpatch {EVERY_COMMAND[name]}"), place)
    assert done.returncode == (code if name.split()[0] in PRINTING else 0), done.stderr
    for noise in (b"Traceback", b"Exception ignored", b"internal error", b"Too many open files"):
        assert noise not in done.stderr
    if "-o made" in EVERY_COMMAND[name]:
        assert (place / "made").exists()


def test_an_encoding_that_knows_few_characters(place: Path) -> None:
    done = shell("PYTHONIOENCODING=ascii $airpatch inspect nöthing", place)
    assert done.returncode == 2
    assert b"n\\xf6thing" in done.stderr


def test_a_hangup_that_is_ignored_stays_ignored(place: Path) -> None:
    os.mkfifo(place / "pipe")
    content = (place / "r1.tar.zst").read_bytes()
    line = "trap '' HUP; exec $airpatch apply - --root root < pipe"
    command = {"airpatch": f"{sys.executable} -m airpatch"}
    with (
        subprocess.Popen(["sh", "-c", line], cwd=place, env={**environment(), **command}) as process,
        (place / "pipe").open("wb") as pipe,
    ):
        pipe.write(content[:1000])
        pipe.flush()
        process.send_signal(signal.SIGHUP)
        pipe.write(content[1000:])
        pipe.close()
    assert process.returncode == 0


@given(st.text())
def test_what_is_visible_moves_no_cursor(text: str) -> None:
    shown = visible(text)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    assert "\u202e" not in shown
    io.StringIO().write(shown.encode().decode())  # no lone surrogates


def test_what_is_harmless_stays() -> None:
    assert visible("shop/web:r1 größer 図") == "shop/web:r1 größer 図"
    assert visible("\x1b[2J\n") == "\\x1b[2J\\n"
