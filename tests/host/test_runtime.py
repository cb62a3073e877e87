"""Python, codecs, packages, memory and the clock, as they are here and as they are not."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path

import pytest

from airpatch.host import runtime
from airpatch.host.facts import Verdict


def test_codecs_are_compiled_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.codecs().state is (Verdict.LIMITED if runtime.uncompiled_codecs() else Verdict.OK)
    monkeypatch.setattr(runtime, "_runs_as_source", lambda _: True)
    names = runtime.uncompiled_codecs()
    assert "airpatch.deflate.inflate" in names
    assert "airpatch.deflate.gzip" not in names, "it is not meant for the compiler"
    assert runtime.codecs().state is Verdict.LIMITED


def test_a_missing_extra_says_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["zstandard>=0.23", 'no-such-package>=1; extra == "parity"', 'no-such-tests; extra == "test"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: lines)
    monkeypatch.setattr(runtime, "_is_installed", lambda name: not name.startswith("no-such"))
    plain, parity = runtime.packages()
    assert plain.state is Verdict.OK
    assert (parity.name, parity.state) == ("extra parity", Verdict.LIMITED)
    assert "pip install 'airpatch[parity]'" in parity.text


@pytest.mark.parametrize(
    ("kilobytes", "state"), [(4 << 20, Verdict.OK), (512 << 10, Verdict.LIMITED), (128 << 10, Verdict.MISSING)]
)
def test_memory_counts(kilobytes: int, state: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 99 kB\nMemAvailable:   {kilobytes} kB\n")
    monkeypatch.setattr(runtime, "_MEMINFO", meminfo)
    monkeypatch.setattr(runtime, "_below_limits", lambda: ())
    assert runtime.memory().state is state


def test_the_limit_of_a_control_group_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_below_limits", lambda: [8 << 30, 100 << 20])
    assert runtime.memory().state is Verdict.MISSING


def test_a_clock_before_what_was_recorded_is_wrong() -> None:
    now = int(time.time())
    assert runtime.clock(None).state is Verdict.OK
    assert runtime.clock(now - 10).state is Verdict.OK
    assert runtime.clock(now + 3600).state is Verdict.LIMITED


def test_a_source_tree_has_no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_is_installed", lambda _: False)
    assert [fact.state for fact in runtime.packages()] == [Verdict.LIMITED]
