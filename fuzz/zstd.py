"""Mutate zstd files, layouts and decisions, in process: `python -m fuzz.zstd [--seconds N] [--seed N]`.

Each case either comes back byte for byte or ends in FormatError, in bounded memory and time; anything else is
printed with the input in hexadecimal, and ends the run. Put what it finds into tests/encoders/test_zstd_decisions.py.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import zstandard

from airpatch.blobs.content import BytesBlob
from airpatch.encoders.zstd_alignment import RECORD, Alignment
from airpatch.encoders.zstd_decisions import ParsedPiece, emit, parse
from airpatch.encoders.zstd_layout import build, emit_part
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.encoders.zstd_replicas import frame_encoder, full_block
from airpatch.errors import FormatError
from airpatch.layers.frames import split
from fuzz.deflate import mutated

FIXTURES = Path(__file__).parents[1] / "fixtures"
UNCOMPRESSED_LIMIT = 1 << 20
OUTPUT_LIMIT = 1 << 21
SECONDS_LIMIT = 5.0
_NAME = "kzstd-1.17.8-fastest"
ENCODER, BLOCK = frame_encoder(_NAME), full_block(_NAME)
COLUMNS = [field.name for field in fields(ParsedPiece)][:4]


@dataclass(frozen=True)
class Seed:
    """A zstd file and its content."""

    file: bytes
    content: bytes

    @cached_property
    def decisions(self) -> ParsedPiece:
        return take_apart(self.file, self.content)

    @cached_property
    def layout(self) -> tuple[bytes, bytes]:
        return split_apart(self.file)


def seeds() -> list[Seed]:
    """Small files of many kinds; long ones would hide their headers from mutation."""
    text = (FIXTURES / "deflate" / "sample.tar").read_bytes()[40_000:44_000]
    contents = [text, text[:300], text[:30], bytes(5000), b"ab" * 2000, b"", bytes(range(256)) * 8]
    found = []
    for content in contents:
        for level in (-50, -1, 1, 3, 9, 19):
            for checksum in (False, True):
                compressor = zstandard.ZstdCompressor(level, write_checksum=checksum)
                found.append(Seed(compressor.compress(content), content))
        for name in ("kzstd-1.17.8-default", "kzstd-1.17.8-fastest", "kzstd-1.17.8-better"):
            encoder = frame_encoder(name)
            half = len(content) // 2
            flushed = encoder.feed(content[:half]) + encoder.flush() + encoder.feed(content[half:]) + encoder.finish()
            found.append(Seed(flushed, content))
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    table = zstandard.compress(b'{"offset":0,"endOffset": %d}' % len(found[0].file))
    packed = b"\x51\x2a\x4d\x18" + len(table).to_bytes(4, "little") + table
    found.append(Seed(found[0].file + found[9].file + packed + b"no frame", found[0].content + found[9].content))
    return [*found, Seed(found[0].file + skippable + found[9].file, found[0].content + found[9].content)]


def take_apart(data: bytes, content: bytes, alignment: Alignment | None = None) -> ParsedPiece:
    parts = list(parse(io.BytesIO(data).read, UNCOMPRESSED_LIMIT, alignment, io.BytesIO(content).read))
    return ParsedPiece(*(b"".join(getattr(part, field.name) for part in parts) for field in fields(ParsedPiece)))


def put_together(part: ParsedPiece, content: bytes, alignment: Alignment | None = None) -> bytes:
    layout, runs, hits, offsets = (io.BytesIO(getattr(part, name)).read for name in COLUMNS)
    out = bytearray()
    for piece in emit(layout, io.BytesIO(content).read, runs, hits, offsets, alignment):
        out += piece
        if len(out) > OUTPUT_LIMIT:
            raise FormatError("more output than the caller allows")
    return bytes(out)


def fuzz_file(seed: Seed, other: Seed, rng: random.Random) -> None:
    """A hostile file: if it has decisions and zstd finds the same content in it, it must come back.

    Without a checksum zstd takes literals that no encoder writes. They come back otherwise, as nobody ships unproved.
    """
    data = mutated(seed.file, other.file, rng)
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
        content = reader.read(UNCOMPRESSED_LIMIT)
    except zstandard.ZstdError:
        content = seed.content + other.content
        with suppress(FormatError):
            put_together(take_apart(data, content), content)
        return
    if put_together(take_apart(data, content), content) != data and content == seed.content:
        raise AssertionError(f"rebuilt bytes differ: {data.hex()}")


def fuzz_decisions(seed: Seed, other: Seed, rng: random.Random) -> None:
    """Hostile decisions: whatever they say, the result is bytes or FormatError."""
    part = seed.decisions
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(COLUMNS)
        part = replace(part, **{name: mutated(getattr(part, name), other.file, rng)})
    put_together(part, seed.content, _alignment(other, rng) if rng.randrange(2) else None)


def fuzz_alignment(seed: Seed, other: Seed, rng: random.Random) -> None:
    """Whatever a source and a difference say, the file comes back: both sides foretell the same."""
    state = rng.getstate()
    part = take_apart(seed.file, seed.content, _alignment(other, rng))
    rng.setstate(state)
    if put_together(part, seed.content, _alignment(other, rng)) != seed.file:
        raise AssertionError(f"rebuilt bytes differ: {seed.file.hex()}")


def fuzz_layout(seed: Seed, other: Seed, rng: random.Random) -> None:
    """Whatever a file is, it is split or refused; whatever a layout says, the result is bytes or FormatError."""
    split_apart(mutated(seed.file, other.file, rng))
    layout, rest = seed.layout
    layout, rest = rng.choice(((mutated(layout, layout, rng), rest), (layout, mutated(rest, other.file, rng))))
    size = 0
    streams = (io.BytesIO(data).read for data in (layout, seed.content, rest))
    for piece in build(ENCODER, *streams):
        size += len(piece)
        if size > OUTPUT_LIMIT:
            raise FormatError("more output than the caller allows")


def split_apart(file: bytes) -> tuple[bytes, bytes]:
    """Layout and rest of a zstd file."""
    parts = list(split(BytesBlob(file), len(file), UNCOMPRESSED_LIMIT, BLOCK))
    return b"".join(emit_part(part) for part, _ in parts), b"".join(beside for _, beside in parts)


def fuzz_recognition(seed: Seed, other: Seed, rng: random.Random) -> None:
    """A hostile beginning is known, unknown or refused."""
    recognise_frames(mutated(seed.file, other.file, rng))


def _alignment(other: Seed, rng: random.Random) -> Alignment:
    matches = mutated(other.decisions.matches, other.file, rng)
    covers = sorted(tuple(rng.randrange(6000) for _ in range(3)) for _ in range(rng.randrange(6)))
    columns = [array("q", column) for column in zip(*covers, strict=True)] or [array("q")] * 3
    return Alignment(columns[0], columns[1], columns[2], matches[: len(matches) // RECORD * RECORD])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    rng = random.Random(arguments.seed)  # noqa: S311
    files = seeds()
    targets: list[Callable[[Seed, Seed, random.Random], None]] = [
        *(fuzz_file, fuzz_decisions, fuzz_alignment, fuzz_layout) * 40, fuzz_recognition
    ]  # fmt: skip
    end = time.monotonic() + arguments.seconds
    cases = survived = 0
    slowest = 0.0
    while time.monotonic() < end:
        seed, other = rng.choice(files), rng.choice(files)
        target = rng.choice(targets)
        begin = time.process_time()
        try:
            target(seed, other, rng)
            survived += 1
        except FormatError:
            pass
        except BaseException:
            print(target.__name__, cases, seed.file.hex(), other.file.hex(), file=sys.stderr)
            raise
        slowest = max(slowest, time.process_time() - begin)
        if slowest > SECONDS_LIMIT:
            print("slow:", target.__name__, seed.file.hex(), other.file.hex(), file=sys.stderr)
            return 1
        cases += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{cases} cases, {survived} without error, slowest {slowest:.2f} s, peak memory {memory} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
