"""Power cuts: a scenario on ext4 in a loop file, stopped at a call, and what a new mount finds (threat 46).

The run is killed before the call, and in the same instant the file system stops: what was only in memory is lost.
Two kinds of loss are tried at each call: nothing since the last barrier arrived (NO_LOG_FLUSH), and all metadata
arrived, but no data that was not written back before (LOG_FLUSH), which leaves empty files to whoever renames first
and syncs later. In a third kind the power goes at a random moment of a run that nobody holds. The clock only picks
that moment: what is found afterwards must be right whenever it was, and however fast the run.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import mounts, strace
from tests.faults.scenario import Lab, Scenario, judge_instant
from tests.faults.zygote import Setup

_IMAGE_SIZE = 48 << 20


class Power:
    def __init__(self, lab: Lab, scenario: Scenario) -> None:
        self.lab = lab
        self.scenario = scenario
        self._folder = lab.folder / "disk"
        self._template = lab.folder / "template.ext4"
        self._image = lab.folder / "disk.ext4"
        mounts.make_ext4(self._template, _IMAGE_SIZE)
        with mounts.ext4(self._template, self._folder) as disk:
            subprocess.run(["cp", "-a", f"{scenario.start}/.", str(disk)], check=True)

    def points(self) -> list[strace.Point]:
        """The calls that change the disk, on this file system."""
        self._reset()
        with mounts.ext4(self._image, self._folder) as disk:
            calls = strace.record(self.lab.zygote, self.scenario.command(disk), self.lab.folder)
        return strace.points(calls, strict=self.scenario.restored is None)

    def duration(self) -> float:
        """Seconds of a run."""
        self._reset()
        with mounts.ext4(self._image, self._folder) as disk:
            began = time.monotonic()
            self.lab.run(*self.scenario.command(disk))
            return time.monotonic() - began

    def cut_at(self, point: strace.Point, kind: int, setup: Setup | None = None) -> list[str]:
        """Cut the power before the call `point`; returns what is wrong afterwards."""

        def cut(disk: Path) -> None:
            argv = self.scenario.command(disk)
            strace.inject(self.lab.zygote, argv, point, "signal=SIGKILL", self.lab.folder, setup)
            mounts.cut_power(disk, kind)

        return self._trial(cut, f"cut {kind} at {point}")

    def cut_after(self, seconds: float, kind: int) -> list[str]:
        """Cut the power at that time into a run; returns what is wrong afterwards."""

        def cut(disk: Path) -> None:
            run = self.lab.zygote.start(self.scenario.command(disk))
            run.go()
            time.sleep(seconds)
            mounts.cut_power(disk, kind)
            code = run.wait().code
            if code not in (0, 8):
                raise AssertionError(f"a run whose disk goes away ends with {code}")

        return self._trial(cut, f"cut {kind} after {seconds * 1000:.1f} ms")

    def sweep(self, every: int = 1, times: int = 100, seed: int = 46) -> tuple[int, list[str]]:
        """Each `every`-th call with both kinds of loss, and `times` random moments; how many, and what was wrong."""
        problems: list[str] = []
        chosen = self.points()[every // 2 :: every]
        for point in chosen:
            for kind in (mounts.NO_LOG_FLUSH, mounts.LOG_FLUSH):
                problems += self.cut_at(point, kind)
        moments = random.Random(seed)
        longest = 1.2 * self.duration()
        for i in range(times):
            problems += self.cut_after(moments.uniform(0, longest), 1 + i % 2)
        return 2 * len(chosen) + times, problems

    def _trial(self, cut: Callable[[Path], None], what: str) -> list[str]:
        self._reset()
        with mounts.ext4(self._image, self._folder) as disk:
            cut(disk)
        with mounts.ext4(self._image, self._folder) as disk:
            problems = judge_instant(self.scenario, disk)
            problems += self.lab.judge_rerun(self.scenario, disk)
        mounts.check_ext4(self._image)
        return [f"{self.scenario.name}, {what}: {problem}" for problem in problems]

    def _reset(self) -> None:
        shutil.copyfile(self._template, self._image)
