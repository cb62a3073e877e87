"""Parts read as the file that they are of: by the vectors, at random, in turn."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airpatch
from airpatch import errors
from airpatch.blobs.room import Room
from airpatch.operations import split_file
from airpatch.parts.gathering import gather_parts, group_parts
from airpatch.parts.joined import JoinedParts
from tests.parts.support import flip, run_trial

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
VECTORS = sorted((FIXTURES / "parts").glob("*.txt"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_vectors(vector: Path, tmp_path: Path) -> None:
    lines = [line.split(": ", 1) for line in vector.read_text().splitlines()]
    expect = dict(lines)["expect"]
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, part in enumerate(value for key, value in lines if key == "part"):
        (folder / f"{number}").write_bytes(bytes.fromhex(part))
    if vector.stem.startswith("good-"):
        made = airpatch.join(folder, tmp_path / "whole")
        assert hashlib.sha256((tmp_path / "whole").read_bytes()).hexdigest() == made.whole.digest.hex == expect
        return
    with pytest.raises(getattr(errors, expect)):
        airpatch.join(folder, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_vectors_are_as_they_are_made() -> None:
    assert subprocess.run([sys.executable, "-m", "fixtures.parts.generate", "--check"], check=False).returncode == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 1 << 32))
def test_nothing_is_wrong_lost_or_unnamed(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_trial(seed, tmp_path_factory.mktemp("trial"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1000)
    airpatch.split(tmp_path / "file", tmp_path / "parts", size=64 << 10, parity=1)
    return tmp_path / "parts"


def joined_of(folder: Path) -> JoinedParts:
    joined = gather_parts([folder])
    assert joined is not None
    return joined


def test_any_place_is_read_alone(folder: Path) -> None:
    joined = joined_of(folder)
    content = bytes(range(256)) * 1000
    for position, size in ((0, 10), (65_000, 3000), (len(content) - 5, 5), (4095, 70_000)):
        view = bytearray(size)
        joined.read_into(memoryview(view), position)
        assert view == content[position : position + size]
    with pytest.raises(errors.FormatError):
        joined.read_into(memoryview(bytearray(1)), len(content))


def test_without_the_extra_the_line_that_installs_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise ImportError

    monkeypatch.setattr("importlib.import_module", absent)
    next(folder.glob("*.part-2-*")).unlink()
    message = r"pip install 'airpatch\[parity\]', or copy again what is missing or damaged\n  part 2 is missing"
    with pytest.raises(errors.UsageError, match=message):
        airpatch.join(folder, folder.parent / "out")
    with pytest.raises(errors.UsageError, match=r"pip install 'airpatch\[parity\]'"):
        airpatch.split(folder.parent / "file", folder.parent / "more", size=64 << 10, parity=1)
    assert not (folder.parent / "more").exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_file, "room_at", lambda _: Room(255_999, None))
    with pytest.raises(errors.TargetError, match=r"out: 256,000 bytes are needed and 255,999 are free"):
        airpatch.join(folder, folder.parent / "out")
    assert not (folder.parent / "out").exists()


def test_parts_of_several_files_are_told_apart(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    airpatch.split(tmp_path / "other", tmp_path / "others", size=64 << 10)
    other = next((tmp_path / "others").iterdir())
    other.rename(folder / other.name)
    with pytest.raises(errors.UsageError, match="several files"):
        airpatch.join(folder, tmp_path / "out")
    airpatch.join(folder / other.name, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"other"
    names = [str(path) for path in sorted(folder.iterdir(), reverse=True)]
    assert [each.name for each in group_parts(names) if isinstance(each, JoinedParts)] == ["other", "file"]


def test_a_damaged_header_among_the_named_parts_is_no_bundle_of_its_own(folder: Path) -> None:
    flip(next(folder.glob("*.part-1-*")), 30, 1)
    names = [str(path) for path in sorted(folder.iterdir())]
    (joined,) = group_parts(names)
    assert isinstance(joined, JoinedParts)
    assert joined.missing == (1,)


@pytest.mark.parametrize("name", ["a" * 300, "loop", "no/such"])
def test_names_that_lead_nowhere_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    for operation in (
        lambda: airpatch.join(name, "out"),
        lambda: airpatch.split(name, "out", size=64 << 10),
        lambda: airpatch.apply(name, "root"),
        lambda: airpatch.verify(name),
    ):
        with pytest.raises((errors.UsageError, errors.TargetError)):
            operation()
    assert not Path("out").exists()
