"""zstd layers: which encoder gives their exact bytes again.

`python -m bench.zstd_layers [--with COMMAND]... PATH...` takes blobs, or trees that hold some. Each is unpacked, and
packed again by the libzstd of python-zstandard, by the `zstd` on the PATH, and by each COMMAND, which compresses its
input; a try ends at the first byte that differs. Frames tell whether they have checksum and size, and how large their
window is; what is left to try are levels, long distance matching, and with or without threads, whose number does not
matter. Without a PATH it takes a layer that it makes.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from operator import eq
from pathlib import Path

import zstandard

from bench.run import PROJECT, scratch

PIECE = 1 << 20
LONG = 27
"""The logarithm of the window that `zstd --long` has."""
SKIPPABLE = 0x184D2A5
"""The magic of a skippable frame, but for its last four bits."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a layer, and what is in it."""

    packed: memoryview
    uncompressed: bytes

    @property
    def header(self) -> zstandard.FrameParameters:
        return zstandard.get_frame_parameters(self.packed[:18])

    @property
    def has_size(self) -> bool:
        return self.header.content_size != zstandard.CONTENTSIZE_UNKNOWN


Encoder = Callable[[Frame], Generator[bytes]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--with", dest="commands", action="append", default=[], metavar="COMMAND")
    options.add_argument("paths", nargs="*", type=Path)
    arguments = options.parse_args()
    with scratch() as place:
        layers = list(find(arguments.paths or [example(place)]))
        for path in layers:
            print(f"{path}:")
            report(path.read_bytes(), arguments.commands)
        print(f"{len(layers)} zstd layers")


def find(paths: list[Path]) -> Iterator[Path]:
    """The files that begin with zstd's magic, those whose name is a digest once."""
    seen = set()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file() or file.name in seen:
                continue
            with file.open("rb") as start:
                if start.read(4) == zstandard.FRAME_HEADER:
                    seen.update([file.name] if len(file.name) == 64 else [])
                    yield file


def example(place: Path) -> Path:
    """A layer as the `zstandard` that is installed makes them."""
    source = b"".join(path.read_bytes() for path in sorted((PROJECT / "bundle").rglob("*.py")))
    path = place / "example"
    path.write_bytes(zstandard.ZstdCompressor(level=3, write_checksum=True).compress(source))
    return path


def report(layer: bytes, commands: list[str]) -> None:
    frames = list(unpack(layer))
    header = frames[0].header
    print(
        f"  {len(layer):,} bytes, {sum(len(frame.uncompressed) for frame in frames):,} unpacked; {len(frames)} frames; "
        f"of the first: a window of {header.window_size:,} bytes, {'a' if header.has_checksum else 'no'} checksum, "
        f"{'its' if frames[0].has_size else 'no'} size"
    )
    total = sum(len(frame.packed) for frame in frames)
    for name, encoder in encoders(frames[0], commands):
        length = same(frames, encoder)
        print(f"  {name}: {'the same bytes' if length == total else f'other bytes after {length:,}'}", flush=True)


def unpack(layer: bytes) -> Iterator[Frame]:
    """The frames, without those to skip."""
    rest = memoryview(layer)
    while rest:
        if int.from_bytes(rest[:4], "little") >> 4 == SKIPPABLE:
            rest = rest[8 + int.from_bytes(rest[4:8], "little") :]
            continue
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        uncompressed = decompressor.decompress(rest)
        size = len(rest) - len(decompressor.unused_data)
        yield Frame(rest[:size], uncompressed)
        rest = rest[size:]


def encoders(first: Frame, commands: list[str]) -> Iterator[tuple[str, Encoder]]:
    """All that are tried, by name: those levels and windows that the first frame can be of."""
    log = (first.header.window_size - 1).bit_length()
    size = len(first.uncompressed) if first.has_size else 0
    levels = [
        level
        for level in range(1, zstandard.MAX_COMPRESSION_LEVEL + 1)
        if log in (LONG, zstandard.ZstdCompressionParameters.from_level(level, source_size=size).window_log)
    ]
    name = f"zstandard {zstandard.__version__} with libzstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}"
    for level, threads, long in product(levels, (0, 1), {False, log == LONG}):
        yield f"{name}, level {level}, threads {threads}{', long' * long}", library(level, threads, long)
    if shutil.which("zstd"):
        version = subprocess.run(["zstd", "--version"], capture_output=True, text=True, check=True).stdout
        name = f"zstd {''.join(re.findall(r'v[0-9.]*[0-9]', version)[:1])}"
        for words in product(levels, ("--single-thread", "-T1"), {"", " --long" * (log == LONG)}):
            line = "zstd -q -c --ultra -{} {}{}".format(*words)
            yield f"{name}, {line}", program(line)
    for command in commands:
        yield command, program(command)


def library(level: int, threads: int, long: bool) -> Encoder:
    def encode(frame: Frame) -> Generator[bytes]:
        parameters = zstandard.ZstdCompressionParameters(
            compression_level=level,
            threads=threads,
            write_checksum=frame.header.has_checksum,
            write_content_size=frame.has_size,
            **({"enable_ldm": True, "window_log": LONG} if long else {}),
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        stream = compressor.compressobj(size=len(frame.uncompressed) if frame.has_size else -1)
        for at in range(0, len(frame.uncompressed), PIECE):
            yield stream.compress(frame.uncompressed[at : at + PIECE])
        yield stream.flush()

    return encode


def program(line: str) -> Encoder:
    def encode(frame: Frame) -> Generator[bytes]:
        size = [f"--stream-size={len(frame.uncompressed)}"] if frame.has_size and line.startswith("zstd ") else []
        check = ["--no-check"] if not frame.header.has_checksum and line.startswith("zstd ") else []
        with tempfile.TemporaryFile() as source:
            source.write(frame.uncompressed)
            source.seek(0)
            with subprocess.Popen([*shlex.split(line), *size, *check], stdin=source, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                try:
                    while piece := process.stdout.read(PIECE):
                        yield piece
                finally:
                    process.kill()

    return encode


def same(frames: list[Frame], encoder: Encoder) -> int:
    """Bytes of the frames that the encoder gives again, up to the first that differs."""
    done = 0
    for frame in frames:
        at = 0
        with closing(encoder(frame)) as pieces:
            for piece in pieces:
                expected = bytes(frame.packed[at : at + len(piece)])
                if piece != expected:
                    return done + at + [*map(eq, piece, expected), False].index(False)
                at += len(piece)
        done += at
        if at != len(frame.packed):
            break
    return done


if __name__ == "__main__":
    main()
