"""Faults while layers are rebuilt on the target: sources and scratch files that cannot be read, written, or trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import strace
from tests.faults.scenario import TARGET_ERROR, Lab, Scenario
from tests.faults.view import STORAGE, snapshot

BASE_MISMATCH = 5


@pytest.fixture(scope="module")
def scenario(small: dict[str, Scenario]) -> Scenario:
    return small["layers"]


def at(call: strace.Call) -> strace.Point:
    return strace.Point(call.name, call.number, main=False, born=call.born)


def fails(lab: Lab, scenario: Scenario, call: strace.Call, error: str, message: str) -> None:
    """A run that meets the error at the call leaves the root as it was, and another goes through."""
    lab.copy(scenario.start, lab.root)
    before = snapshot(lab.root)
    ended = strace.inject(lab.zygote, lab.argv(scenario), at(call), f"error={error}", lab.folder)
    assert ended.code == TARGET_ERROR, (call, ended)
    assert message in ended.output
    assert snapshot(lab.root) == before
    assert lab.judge_rerun(scenario, lab.root) == []


READS = ("preadv", "preadv2")


def calls(lab: Lab, scenario: Scenario, names: Sequence[str], pattern: str) -> list[strace.Call]:
    """The calls of the thread that rebuilds, on files with such names."""
    lab.copy(scenario.start, lab.root)
    recorded = strace.record(lab.zygote, lab.argv(scenario), lab.folder, names)
    rebuilding = max(call.born for call in recorded)
    return [call for call in recorded if call.born == rebuilding and re.search(pattern, call.arguments)]


def test_adversary_57_a_source_cannot_be_read(lab: Lab, scenario: Scenario) -> None:
    reads = calls(lab, scenario, READS, r"blobs/sha256/../[0-9a-f]{64}/data>")
    assert len(reads) > 3
    for call in reads:
        fails(lab, scenario, call, "EIO", "/data: cannot be read: Input/output error")


def test_adversary_57_a_layer_patch_in_staging_cannot_be_read(lab: Lab, scenario: Scenario) -> None:
    reads = calls(lab, scenario, READS, r"staging/\d+>")
    assert len(reads) > 50
    for call in reads[::9]:
        fails(lab, scenario, call, "EIO", "cannot be read: Input/output error")


@pytest.mark.parametrize(("error", "message"), [("ENOSPC", "free some space"), ("EIO", "Input/output error")])
def test_adversary_48_no_room_for_uncompresseds(lab: Lab, scenario: Scenario, error: str, message: str) -> None:
    writes = calls(lab, scenario, ["write"], r"staging/\d+>\(deleted\)")
    assert len(writes) > 2
    for call in writes:
        fails(lab, scenario, call, error, message)


def blob_of(root: Path, prefix: bytes) -> Path:
    """The largest blob that begins with `prefix`."""
    blobs = [path for path in (root / STORAGE / "blobs").rglob("data") if path.read_bytes().startswith(prefix)]
    return max(blobs, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("prefix", [b"\x1f\x8b", b"usr/lib"], ids=["gzip", "plain"])
@pytest.mark.parametrize("place", [20, 3000])
def test_adversary_29_a_source_is_damaged(lab: Lab, scenario: Scenario, prefix: bytes, place: int) -> None:
    """Exit code 5, which names it; nothing is published; and the right bytes repair it."""
    lab.copy(scenario.start, lab.root)
    path = blob_of(lab.root, prefix)
    right = path.read_bytes()
    wrong = bytearray(right)
    wrong[place] ^= 0xFF
    path.write_bytes(wrong)
    before = snapshot(lab.root)
    ended = lab.zygote.run(lab.argv(scenario))
    assert ended.code == BASE_MISMATCH, ended
    (line,) = (line for line in ended.output.splitlines() if path.parent.name in line)
    assert line.endswith("(there, but damaged)")
    assert snapshot(lab.root) == before
    path.write_bytes(right)
    assert lab.judge_rerun(scenario, lab.root) == []


def test_adversary_29_a_source_of_another_size_is_missing_before_anything_is_staged(
    lab: Lab, scenario: Scenario
) -> None:
    lab.copy(scenario.start, lab.root)
    path = blob_of(lab.root, b"\x1f\x8b")
    path.write_bytes(path.read_bytes()[:-1])
    before = snapshot(lab.root)
    ended = lab.zygote.run(lab.argv(scenario))
    assert ended.code == BASE_MISMATCH, ended
    assert path.parent.name in ended.output
    assert snapshot(lab.root) == before
