"""`-v` tells each decision in a line, `-vv` more; without either nothing is said, and nothing is put together."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import airpatch
from tests.layers.support import ENCODERS, changed, layer
from tests.operations.conftest import write_images

SIZE = 40_000


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trees `1` and `2`, and a bundle of the first."""
    monkeypatch.chdir(tmp_path)
    for number, tar in ((1, layer(1, size=SIZE)), (2, changed(layer(1, size=SIZE)))):
        write_images(tmp_path / str(number), {f"web:r{number}": [ENCODERS["go"](tar)]})
    assert airpatch("create", "1", "-o", "base", "--release", "r1").code == 0
    return tmp_path


def diff(*options: str) -> list[str]:
    outcome = airpatch("diff", "--base", "base", "2", "-o", "patch", "--release", "r2", "--progress", "off", *options)
    assert outcome.code == 0
    return outcome.err.splitlines()


@pytest.mark.usefixtures("images")
def test_decisions() -> None:
    assert diff() == []
    lines = diff("-v")
    assert all(line.startswith("airpatch: ") for line in lines)
    assert any(": source " in line and " of its " in line for line in lines)
    assert any(": replica go1-flate-6, from " in line and " bytes for " in line for line in lines)
    more = diff("-vv")
    assert len(more) > len(lines)
    assert any("begins as written by go1-flate-6" in line for line in more)
    assert diff() == []


@pytest.mark.usefixtures("images")
def test_a_replica_whose_proof_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of it would otherwise show as a larger patch only."""
    monkeypatch.setattr("airpatch.layers.gzip_ways.recognise", lambda _, **__: ["zlib-9", "go1-flate-6"])
    (warning,) = (line for line in diff("-v") if "does not make it" in line)
    assert ": replica zlib-9 does not make it: " in warning


@pytest.mark.usefixtures("images")
def test_apply_tells_what_is_there_and_what_is_made() -> None:
    diff("-q")
    assert airpatch("apply", "base", "--root", "root").code == 0
    lines = airpatch("apply", "patch", "--root", "root", "-v").err.splitlines()
    assert any(
        "release r2: blobs there: 1, to write: 3, of these to rebuild: 1, damaged: 0, missing: 0" in s for s in lines
    )
    assert any(": rebuilt, " in line for line in lines)


@pytest.mark.usefixtures("images")
def test_sources_tell_what_they_were_read_as() -> None:
    lines = airpatch("create", "1", "dir:1", "2", "-o", "both", "-vv").err.splitlines()
    assert "airpatch: source 1: read as dir:, the only kind that it holds" in lines
    assert "airpatch: source dir:1: read as dir:" in lines
    assert any(line.startswith("airpatch: image web:r1: from ") and line.endswith(" has it, too") for line in lines)
    assert any(line.startswith("airpatch: image web:r2: in ") for line in lines)
    assert any("of default, number 0: the tag that most images carry" in line for line in lines)


@pytest.mark.usefixtures("images")
def test_publishing_tells_what_is_new_and_what_is_damaged() -> None:
    lines = airpatch("apply", "base", "--root", "root", "-vv").err.splitlines()
    assert any("release r1: to publish: blobs: 3, signatures: 0, links: 5, of these tags: 1" in s for s in lines)
    assert sum(": written, " in line for line in lines) == 3
    assert any(line.startswith("airpatch: link ") and "/tags/r1/" in line for line in lines)
    assert any(
        "release r1: published already" in s for s in airpatch("apply", "base", "--root", "root", "-v").err.splitlines()
    )
    for blob in Path("root").rglob("blobs/*/*/*/data"):
        blob.chmod(0o644)
        blob.write_bytes(bytes(blob.stat().st_size))
    lines = airpatch("apply", "base", "--root", "root", "--deep", "-v").err.splitlines()
    assert sum(": replaced, since the one on the root is damaged" in line for line in lines) == 3


@pytest.mark.usefixtures("images")
def test_restoring_tells_how() -> None:
    lines = airpatch("restore", "base", "-o", "out", "-vv").err.splitlines()
    assert "airpatch: restoring as dir, by copy: images: 1, blobs to fetch: 2" in lines
    assert any(line.endswith("; files: 1") for line in lines)
    assert "airpatch: web:r1: takes its place" in lines
    airpatch("create", "2", "-o", "next", "-q", "--release", "r2")
    lines = airpatch("restore", "next", "-o", "out", "--exact", "-v").err.splitlines()
    assert "airpatch: folder web:r1: removed, since it holds another image" in lines


def test_what_cannot_be_written_does_not_fail_the_process_at_its_end() -> None:
    script = "import logging; from airpatch_cli.logs import decisions_shown\nwith decisions_shown(1):\n"
    script += "    logging.getLogger('airpatch.x').info('a decision')"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-P", "-c", script], stderr=full, check=False)
    assert done.returncode == 0


@pytest.mark.usefixtures("images")
def test_silent_when_off(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def note(record: logging.LogRecord) -> str:
        made.append(record.msg)
        return ""

    monkeypatch.setattr(logging.LogRecord, "getMessage", note)
    diff()
    assert made == []
