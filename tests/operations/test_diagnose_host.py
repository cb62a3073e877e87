"""Which commands will work, by what was found out."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch.host import disk
from airpatch.host.facts import Fact, Verdict
from tests.cli.support import commands


def state(report: airpatch.HostReport, command: str) -> Verdict:
    return next(ability.state for ability in report.abilities if ability.command == command)


def test_every_command_is_told_of() -> None:
    assert [ability.command.replace(" ", "-") for ability in airpatch.doctor().abilities] == list(commands())


def test_a_new_root_is_no_fault(tmp_path: Path) -> None:
    report = airpatch.doctor(tmp_path / "new")
    assert state(report, "apply") is not Verdict.MISSING
    assert state(report, "trust") is not Verdict.MISSING
    assert state(report, "rollback") is Verdict.MISSING
    assert report.is_fit
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_cannot_be_written_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker/registry/v2/blobs").mkdir(parents=True)
    monkeypatch.setattr(disk, "rights", lambda name, _: Fact(name, Verdict.MISSING, "closed"))
    report = airpatch.doctor(tmp_path)
    assert state(report, "apply") is Verdict.MISSING
    assert state(report, "inspect") is not Verdict.MISSING
    assert not report.is_fit


def test_a_place_within_a_storage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docker/registry/v2").mkdir(parents=True)
    with pytest.raises(airpatch.UsageError, match="name its root"):
        airpatch.doctor(tmp_path / "docker")
