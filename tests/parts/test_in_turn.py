"""Media are changed while a bundle is applied; who is asked gives up, or brings the next."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import airpatch
from airpatch import Execution
from tests.support import Builder


@pytest.fixture
def media(tmp_path: Path, sample: Builder) -> list[Path]:
    """Each medium has one part of a bundle."""
    sample.tag("large:r1", sample.picture([os.urandom(200_000)]))
    (tmp_path / "full.tar.zst").write_bytes(sample.bundle())
    made = airpatch.split(tmp_path / "full.tar.zst", tmp_path / "parts", size=64 << 10)
    assert len(made.files) > 3
    folders = []
    for number, file in enumerate(made.files):
        folders.append(tmp_path / f"medium-{number}")
        folders[-1].mkdir()
        shutil.move(file, folders[-1] / file.name)
    return folders


def drive(tmp_path: Path, media: list[Path], number: int) -> Path:
    """The medium `number` is in the drive."""
    place = tmp_path / "drive"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(media[number], place)
    return place


class Person:
    """Puts the medium that is asked for into the drive; `asked` has the numbers of their parts."""

    def __init__(self, tmp_path: Path, media: list[Path]) -> None:
        self.asked: list[int] = []
        self.last = ""
        self._tmp_path = tmp_path
        self._media = media

    def __call__(self, text: str) -> bool:
        self.last = text
        self.asked.append(int(text.split("part ")[1].split(" ")[0]))
        drive(self._tmp_path, self._media, self.asked[-1] - 1)
        return True


@pytest.mark.parametrize("first", [2, -1])
def test_one_drive_takes_all_media(first: int, tmp_path: Path, media: list[Path]) -> None:
    person = Person(tmp_path, media)
    place = drive(tmp_path, media, first)
    done = airpatch.apply(place, tmp_path / "root", execution=Execution(ask=person))
    assert done.applied[0].tags
    assert person.asked == list(range(1, len(media) + 1))
    assert person.last.startswith(f"insert the medium with part {len(media)} of {len(media)}, full.tar.zst.part-")
    assert person.last.endswith(f", so that it lies in {place}")
    assert airpatch.verify(tmp_path / "root")


@pytest.mark.parametrize("first", [2, -1])
def test_media_are_joined_out_of_one_drive(first: int, tmp_path: Path, media: list[Path]) -> None:
    person = Person(tmp_path, media)
    made = airpatch.join(drive(tmp_path, media, first), tmp_path / "joined", execution=Execution(ask=person))
    assert person.asked == list(range(1, len(media) + 1))
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "full.tar.zst").read_bytes()
    assert made.rebuilt == ()


def test_nothing_is_joined_of_what_nobody_brings(tmp_path: Path, media: list[Path]) -> None:
    with pytest.raises(airpatch.IntegrityError) as raised:
        airpatch.join(media[0], tmp_path / "joined", execution=Execution(ask=lambda _: False))
    assert [each.split(" is ")[0] for each in raised.value.findings] == [
        f"part {number}" for number in range(2, len(media) + 1)
    ]
    assert not (tmp_path / "joined").exists()


def test_all_mount_points_at_once(tmp_path: Path, media: list[Path]) -> None:
    names = [next(medium.iterdir()) for medium in reversed(media)]
    assert airpatch.apply(names, tmp_path / "root").applied[0].tags


def test_who_gives_up_learns_what_is_missing(tmp_path: Path, media: list[Path]) -> None:
    with pytest.raises(airpatch.IntegrityError) as raised:
        airpatch.apply(media[0], tmp_path / "root", execution=Execution(ask=lambda _: False))
    assert len(raised.value.findings) == len(media) - 1
    with pytest.raises(airpatch.IntegrityError, match="missing or damaged"):
        airpatch.apply(media[0], tmp_path / "root")
    assert not (tmp_path / "root").exists()
