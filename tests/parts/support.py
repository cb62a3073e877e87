"""Files in parts, and what may happen to parts on their way."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import airpatch
from airpatch.parts.part_files import PartFile, read_part

SIZES = (64 << 10, 100_000, 128 << 10)
"""Bytes of parts, in which chunks have 4 KiB."""


@dataclass(slots=True)
class Harm:
    """What was done to the parts in a folder: by number, the chunks that are lost of each."""

    lost: dict[int, set[int]]
    headers: set[int]
    """The numbers of the parts without a header."""


def all_parts(folder: Path) -> dict[int, PartFile]:
    """The parts in `folder`, by their numbers."""
    parts = [part for path in sorted(folder.iterdir()) if (part := read_part(path)) is not None]
    return {part.header.number: part for part in parts}


def do_harm(chance: random.Random, folder: Path, count: int) -> Harm:
    """Lose, cut, flip or swap `count` parts in `folder`."""
    parts = all_parts(folder)
    harm = Harm({}, set())
    for number in chance.sample(sorted(parts), count):
        part = parts[number]
        whole = part.header.whole
        chunks = set(range(whole.chunks(number)))
        size = part.path.stat().st_size
        match chance.choice(("lose", "cut", "flip", "flip header")):
            case "lose":
                part.path.unlink()
                harm.headers.add(number)
                harm.lost[number] = chunks
            case "cut":
                left = chance.randrange(size)
                with part.path.open("r+b") as file:
                    file.truncate(left)
                if left < part.start:
                    harm.headers.add(number)
                whole_chunks = (left - part.start) // whole.chunk if left >= part.start else 0
                harm.lost[number] = chunks - set(range(whole_chunks))
            case "flip" if size > part.start:
                position = chance.randrange(part.start, size)
                flip(part.path, position, 1 << chance.randrange(8))
                harm.lost[number] = {(position - part.start) // whole.chunk}
            case _:
                flip(part.path, chance.randrange(part.start), 1 << chance.randrange(8))
                harm.headers.add(number)
                harm.lost[number] = chunks
    _swap_names(chance, folder)
    return harm


def flip(path: Path, position: int, bits: int) -> None:
    """Change bits of one byte in a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= bits
    path.write_bytes(content)


def _swap_names(chance: random.Random, folder: Path) -> None:
    """Give the files each other's names."""
    paths = sorted(folder.iterdir())
    for number, path in enumerate(paths):
        path.rename(folder / f"aside-{number}")
    names = [path.name for path in paths]
    chance.shuffle(names)
    for number, name in enumerate(names):
        (folder / f"aside-{number}").rename(folder / name)


def run_trial(seed: int, place: Path) -> str:
    """Split a file, do harm, and join it: `whole`, `rebuilt` or `named`, by what came of it, which is checked.

    Raises AssertionError for a wrong result, a recoverable part that was not recovered, or one that was not named.
    """
    chance = random.Random(seed)
    size = chance.choice((0, 1, 4096, chance.randrange(1, 700_000)))
    parity = chance.choice((0, 0, 1, 2, 3))
    content = chance.randbytes(size)
    file, folder, output = place / "file", place / "parts", place / "output"
    file.write_bytes(content)
    limit = chance.choice(SIZES)
    made = airpatch.split(file, folder, size=limit, parity=parity)
    assert all(path.stat().st_size < limit for path in made.files)
    harm = do_harm(chance, folder, chance.randrange(min(made.whole.parts, parity + 2) + 1))
    try:
        error = None
        try:
            joined = airpatch.join(folder, output)
        except (airpatch.IntegrityError, airpatch.UsageError) as raised:
            error = raised
        if error is None:
            assert output.read_bytes() == content, f"{seed}: a wrong result"
            return "rebuilt" if joined.rebuilt else "whole"
        assert not is_recoverable(made.whole, harm), f"{seed}: recoverable, and not recovered: {error}"
        assert not output.exists()
        assert unnamed(error, harm, made.whole) == [], f"{seed}: {error}"
        return "named"
    finally:
        for path in (file, output):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder)


def is_recoverable(whole: airpatch.WholeFile, harm: Harm) -> bool:
    """Whether a header is left, and each row of chunks of which data is lost has lost no more than parity has."""
    if len(harm.headers) == whole.parts:
        return False
    for row in range(whole.chunks(1)):
        lost = [number for number, chunks in harm.lost.items() if row in chunks]
        if len(lost) > whole.parity and min(lost) <= whole.data_parts:
            return False
    return True


def unnamed(error: airpatch.AirpatchError, harm: Harm, whole: airpatch.WholeFile) -> list[int]:
    """The parts that lost something and that `error` does not name; none can be where no header is left."""
    if len(harm.headers) == whole.parts:
        return []
    text = "\n".join(error.findings)
    return [number for number in harm.lost if harm.lost[number] and f"part {number} is" not in text]
