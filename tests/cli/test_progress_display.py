"""What progress looks like, and that it never ends the work."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airpatch_cli.progress_display import ProgressDisplay, _clock


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("airpatch_cli.progress_display.time", clock)
    monkeypatch.setattr("airpatch_cli.progress_display._DELAY", 1.0)
    return clock


def test_lines_tell_rate_time_and_what_is_at_hand(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("plain")
    display.start("packing r2", 400_000_000)
    for _ in range(10):
        clock.now += 1
        display.advance(40_000_000, "shop/web:r2 0123456789ab")
    display.end()
    at = "at shop/web:r2 0123456789ab"
    assert capsys.readouterr().err.splitlines() == [
        f"airpatch: packing r2: 40.0 MB of 400 MB (10 %), 40.0 MB/s, 0:01 elapsed, 0:09 left, {at}",
        f"airpatch: packing r2: 240 MB of 400 MB (60 %), 40.0 MB/s, 0:06 elapsed, 0:04 left, {at}",
        "airpatch: packing r2: 400 MB of 400 MB (100 %), 40.0 MB/s, 0:10 elapsed",
    ]


def test_no_time_is_forecast_from_less_than_a_hundredth(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("plain")
    display.start("packing r2", 400_000_000)
    clock.now += 2
    display.advance(3_999_999, "shop/web:r2")
    assert capsys.readouterr().err == (
        "airpatch: packing r2: 4.0 MB of 400 MB (0 %), 2.0 MB/s, 0:02 elapsed, at shop/web:r2\n"
    )


def test_what_is_done_beyond_the_total_is_not_hidden(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("plain")
    display.start("packing r2", 1_000_000)
    clock.now += 2
    display.advance(1_100_000, "")
    assert "1.1 MB of 1.0 MB (110 %)" in capsys.readouterr().err


def test_a_part_that_ends_early_has_no_last_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("plain")
    display.start("packing r2", 1000)
    clock.now += 2
    display.advance(500, "")
    display.end()
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(("mode", "error"), [("plain", OSError), ("plain", ValueError), ("bar", OSError)])
def test_a_display_that_cannot_be_written_is_given_up(
    mode: str, error: type[Exception], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            raise error(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "stderr", Full())
    display = ProgressDisplay(mode)
    display.start("packing r2", 1000)
    for _ in range(3):
        clock.now += 10
        display.advance(100, "layer")
    display.end()
    assert len(written) == 1


_ON_A_FULL_DISK = """
import sys
from airpatch_cli import progress_display
progress_display._DELAY = 0
display = progress_display.ProgressDisplay(sys.argv[1])
display.start("packing r2", 1000)
display.advance(1000, "layer")
display.end()
"""


@pytest.mark.parametrize("mode", ["plain", "bar"])
def test_what_was_not_shown_does_not_fail_the_process_at_its_end(mode: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-P", "-c", _ON_A_FULL_DISK, mode], stderr=full, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (5.4, "0:05"), (754, "12:34"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert _clock(seconds) == text
