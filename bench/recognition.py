"""What it costs to recognise the encoder of a zstd layer that none of ours has written: processor time, by kind.

`python -m bench.recognition [--content FILE]... [--most SECONDS] [ZSTD FILE]...` makes frames of many kinds out of the
contents, by default those that the tests have: libzstd of versions at hand, with parameters of all sorts; imitations
of klauspost/compress, whose blocks are coded as it codes them but whose matches were altered; known frames cut and
damaged; files of many frames. The ZSTD FILEs are taken with a byte changed in an early block. It ends with an error if
one took longer than `--most` seconds, by default 0.1. Such a one is looked at twice more; the shortest time counts.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import zstandard
from xxhash import xxh64

from airpatch.encoders.kzstd import lone_block_header, stream_header
from airpatch.encoders.kzstd_blocks import ZstdBlockWriter
from airpatch.encoders.kzstd_sequences import Sequences
from airpatch.encoders.zstd_columns import ColumnReader
from airpatch.encoders.zstd_decisions import parse
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.encoders.zstd_replicas import ZstdReplica, frame_encoder, zstd_names, zstd_replica
from airpatch.errors import FormatError
from airpatch.layers.ways import RECOGNISED
from fixtures.encoders.inputs import inputs

Frame = tuple[str, bytes]
"""Its kind, and the beginning of a file."""
_BLOCK = 128 << 10
_CONTENT = 1 << 20
"""More is not looked at."""
_ALTERED = (0.9, 0.3, 0.05, 0.005, 0.0)
"""Of the matches of an imitation, how many are altered; at 0 it is one, the last."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--content", action="append", type=Path, default=[])
    options.add_argument("--most", type=float, default=0.1)
    options.add_argument("files", nargs="*", type=Path)
    arguments = options.parse_args()
    contents = [path.read_bytes()[:_CONTENT] for path in arguments.content] or [
        inputs()["long"][:_CONTENT],
        inputs()["mixed"],
    ]
    rng = random.Random(8878)
    frames = [frame for content in contents for frame in make(content, rng)]
    frames += [("files with a changed byte", changed(path.read_bytes(), rng)) for path in arguments.files]
    report(frames, arguments.most)


def report(frames: list[Frame], most: float) -> None:
    unknown: dict[str, list[float]] = {}
    known: dict[str, list[float]] = {}
    recognise(inputs()["tar"])
    for kind, frame in frames:
        took, names = measured(frame)
        again = 2 if took > most and not names else 0
        times = known if names else unknown
        times.setdefault(kind, []).append(min([took, *(measured(frame)[0] for _ in range(again))]))
    for title, times in (("known", known), ("unknown", unknown)):
        print(f"{title:<34}{'frames':>8}{'median':>9}{'most':>9}  ms of processor time")
        for kind, found in times.items():
            found.sort()
            print(f"  {kind:<32}{len(found):>8}{found[len(found) // 2] * 1e3:>9.1f}{found[-1] * 1e3:>9.1f}")
    every = sorted(each for found in unknown.values() for each in found)
    over = sum(each > most for each in every)
    middle, late = (every[len(every) * n // 100] * 1e3 for n in (50, 99))
    print(f"{len(every)} unknown: median {middle:.1f} ms, 99 % {late:.1f} ms, longest {every[-1] * 1e3:.1f} ms")
    print(f"{over} over {most * 1e3:.0f} ms")
    if over:
        raise SystemExit(1)


def recognise(frame: bytes) -> list[str]:
    """What a layer that begins so is taken for; nothing if it is no zstd at all."""
    try:
        return recognise_frames(frame[:RECOGNISED])
    except FormatError:
        return []


def measured(frame: bytes) -> tuple[float, list[str]]:
    begin = time.process_time()
    names = recognise(frame)
    return time.process_time() - begin, names


def make(content: bytes, rng: random.Random) -> Iterator[Frame]:
    yield from libzstd(content)
    yield from imitations(content, rng)
    yield from spoilt(content, rng)
    yield from many_frames(content, rng)


def libzstd(content: bytes) -> Iterator[Frame]:
    """Parameters that no level has, and, by the `zstd` on the PATH, another version's levels."""
    for strategy in range(1, 10):
        for window, least, chain in ((15, 4, 14), (21, 5, 18), (27, 3, 17)):
            for checksum, size in ((True, -1), (False, len(content))):
                yield "libzstd, parameters of its own", packed(
                    content, size, strategy=strategy, window_log=window, min_match=least, chain_log=chain,
                    write_checksum=checksum,
                )  # fmt: skip
    for level in (-100, -5, -1, 1, 3, 6, 12, 19):
        for checksum in (True, False):
            yield "libzstd, long distances", packed(content, -1, level, enable_ldm=True, write_checksum=checksum)
            yield "libzstd, odd window", packed(content, -1, level, window_log=18, write_checksum=checksum)
            yield (
                "libzstd, levels below 1 and above 19",
                packed(content, -1, -level if level > 0 else level, write_checksum=checksum),
            )
    if program := shutil.which("zstd"):
        for level in (1, 3, 5, 9, 13, 16, 19):
            for words in ([], ["--single-thread"], ["--long=24"]):
                line = [program, "-q", "-c", f"-{level}", *words]
                yield "the zstd program", subprocess.run(line, input=content, capture_output=True, check=True).stdout


def packed(content: bytes, size: int, level: int = 3, **parameters: int | bool) -> bytes:
    options = zstandard.ZstdCompressionParameters.from_level(
        level, write_content_size=size >= 0, **{"write_checksum": True, **parameters}
    )
    compressor = zstandard.ZstdCompressor(compression_params=options).compressobj(size)
    return compressor.compress(content) + compressor.flush()


def imitations(content: bytes, rng: random.Random) -> Iterator[Frame]:
    """The frames of each replica and of libzstd with some of their matches altered, coded by the replica's rules."""
    for name in zstd_names():
        replica = zstd_replica(name)
        for altered, blocks in product(_ALTERED, (1, 4)):
            encoder = replica.make()
            at = rng.randrange(max(len(content) - 4 * _BLOCK, 1)) // 512 * 512
            part = content[at : at + blocks * replica.block]
            frame = encoder.feed(part) + encoder.finish()
            yield f"klauspost {replica.level}, altered", imitation(frame, part, replica, altered, rng)
            options = zstandard.ZstdCompressionParameters.from_level(rng.choice((1, 3, 6, 13)))
            other = zstandard.ZstdCompressor(compression_params=options).compressobj()
            pieces = [part[begin : begin + replica.block] for begin in range(0, len(part), replica.block)]
            frame = b"".join(other.compress(piece) + other.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for piece in pieces)
            yield (
                f"klauspost {replica.level}, by libzstd",
                imitation(frame + other.flush(), part, replica, altered, rng),
            )


def imitation(frame: bytes, content: bytes, replica: ZstdReplica, altered: float, rng: random.Random) -> bytes:
    """A frame with so many of its matches cut short; after the last block of `content` there is no checksum."""
    parts = list(parse(io.BytesIO(frame).read, len(content), None, io.BytesIO(content).read))
    columns_of = zip(*((part.runs, part.hits, part.offsets) for part in parts), strict=True)
    runs, hits, offsets = (b"".join(column) for column in columns_of)
    numbers = list(read_numbers(runs))  # literals, match length less 3, literals ...
    may = [n for n in range(1, len(numbers) - 1, 2) if numbers[n] > 1 and numbers[n + 1] > 0]
    for n in [n for n in may if rng.random() < altered] or may[-1:]:
        numbers[n] -= 1
        numbers[n + 1] += 1
    columns = ColumnReader(*(io.BytesIO(column).read for column in (write_numbers(numbers), hits, offsets)))
    found, writer = Sequences(), ZstdBlockWriter(replica.rules)
    lone = len(content) <= replica.block
    out = bytearray(lone_block_header(len(content)) if lone else stream_header(replica.window))
    for begin in range(0, len(content), replica.block):
        block = bytearray(content[begin : begin + replica.block])
        columns.block(found, bytes(block))
        out += writer.block(found, block, 0, len(block), lone, len(block) == replica.block)
    return bytes(out) + (xxh64(content).intdigest().to_bytes(8, "little")[:4] if lone else b"")


def read_numbers(column: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in column:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def write_numbers(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


def spoilt(content: bytes, rng: random.Random) -> Iterator[Frame]:
    """Known frames, cut anywhere, or with a byte changed."""
    for name in (*zstd_names(), "libzstd-1.5.7-3-mt", "libzstd-1.5.6-19"):
        encoder = frame_encoder(name)
        frame = encoder.feed(content) + encoder.finish()
        for _ in range(4):
            yield "known frames, cut", frame[: rng.randrange(len(frame))]
            yield "known frames, a byte changed", changed(frame, rng)


def changed(frame: bytes, rng: random.Random) -> bytes:
    """The same with another byte in one of the first blocks."""
    out = bytearray(frame)
    out[rng.randrange(6, min(len(frame), 100_000))] ^= 1 << rng.randrange(8)
    return bytes(out)


def many_frames(content: bytes, rng: random.Random) -> Iterator[Frame]:
    """As pzstd and others write them, which pack pieces of content one by one."""
    for piece in (100, 3000, 50_000, 1 << 20):
        parts = [content[at : at + piece] for at in range(0, min(len(content), 2000 * piece), piece)]
        for level in (-5, 1, 5, 13):
            frames = [packed(part, len(part), level, min_match=5) for part in parts]
            yield "many frames of libzstd", b"".join(frames)
            yield "many frames, skippable between", b"\x50\x2a\x4d\x18\x04\0\0\0skip".join(frames)
        rules = zstd_replica("kzstd-1.17.8-default")
        encoder = rules.make()
        kept = []
        for part in parts[:500]:
            encoder.begin(len(part))
            frame = encoder.feed(part) + encoder.finish()
            kept.append(imitation(frame, part, rules, 0.3, rng))
        yield "many frames, klauspost altered", b"".join(kept)


if __name__ == "__main__":
    main()
