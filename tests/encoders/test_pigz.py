"""Where `pigz --rsyncable` cuts: pieces by a rolling hash, sections by what is read at a time."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from airpatch.encoders.blockwise import Cut
from airpatch.encoders.pigz import RsyncableCuts
from airpatch.encoders.pigz_hash import RollingHash
from tests.encoders.support import COMPILED, deflate

BLOCK = 128 << 10


def pigz_version() -> str:
    if shutil.which("pigz") is None:
        return ""
    done = subprocess.run(["pigz", "--version"], capture_output=True, check=True, text=True)
    return (done.stdout + done.stderr).strip()


def hit() -> bytes:
    """Bytes that end a piece, and end none before, wherever they are."""
    generator = random.Random(12)
    while True:
        data = bytes(20) + generator.randbytes(40)
        end = RollingHash().find_cut(data)
        if end > 20:
            return data[:end]


def sections(data: bytes, step: int = 1 << 16) -> list[list[int]]:
    """The sizes of all pieces, section by section."""
    cuts = RsyncableCuts()
    pieces = [piece for at in range(0, len(data), step) for piece in cuts.feed(data[at : at + step])]
    result: list[list[int]] = [[0]]
    due = Cut.NONE
    for piece, cut in [*pieces, *cuts.finish()]:
        if piece:
            if due is Cut.SECTION:
                result.append([0])
            elif due is Cut.FLUSH:
                result[-1].append(0)
            due = Cut.NONE
            result[-1][-1] += len(piece)
        due = max(due, cut)
    return result


def at(*ends: int, size: int) -> bytes:
    """Zeros in which pieces end there."""
    data = bytearray(size)
    for end in ends:
        data[end - len(hit()) : end] = hit()
    return bytes(data)


CASES = {
    "nothing": (b"", [[0]]),
    "no hit": (at(size=BLOCK + 5), [[BLOCK], [5]]),
    "one section": (at(1000, size=BLOCK), [[1000, BLOCK - 1000]]),
    "the last hit ends a section": (at(1000, 3000, size=BLOCK + 1), [[1000, 2000], [BLOCK - 2999]]),
    "a hit at the end": (at(1000, size=1000), [[1000]]),
    "a hit at the limit": (at(1000, BLOCK, size=BLOCK + 7), [[1000, BLOCK - 1000], [7]]),
    "a hit after what was read": (
        at(1000, BLOCK + 500, size=BLOCK + 600),
        [[1000], [BLOCK - 500], [100]],
    ),
    "the end within what was read": (
        at(1000, BLOCK + 500, BLOCK + 900, size=2 * BLOCK),
        [[1000], [BLOCK - 500, 400], [BLOCK - 900]],
    ),
}


@pytest.mark.parametrize("label", [label for label in CASES if COMPILED or label == "nothing"])
def test_sections(label: str) -> None:
    data, expected = CASES[label]
    assert sections(data) == expected
    assert sections(data, 977) == expected


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
@pytest.mark.skipif(pigz_version() != "pigz 2.6", reason="another pigz, or none")
@pytest.mark.parametrize("label", CASES)
@pytest.mark.parametrize(
    ("name", "options"),
    [("pigz-1-rsyncable", "-1p2"), ("pigz-6-rsyncable", "-6p2"), ("pigz-1-p1-rsyncable", "-1p1")],
)
def test_pigz_cuts_there(label: str, name: str, options: str) -> None:
    data = CASES[label][0]
    written = subprocess.run(["pigz", "-nR", options], input=data, stdout=subprocess.PIPE, check=True).stdout
    assert deflate(name, data) == written[10:-8]


def test_hash_goes_on_between_pieces() -> None:
    data = hit()
    rolling = RollingHash()
    assert [rolling.find_cut(data[i : i + 1]) for i in range(len(data))] == [0] * (len(data) - 1) + [1]
    assert rolling.find_cut(b"") == 0
