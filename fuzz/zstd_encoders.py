"""Compare the replicas of klauspost/compress zstd with the real encoder on random content, writes and flushes.

    python -m fuzz.zstd_encoders --go GO --klauspost VERSION=FOLDER ... [--seconds N] [--seed N]

FOLDER has the source of that version, any one from 1.14.4 on. Each file, of one frame or of many, must be recognised,
and be split and built again byte for byte; one that is not is printed with its seed.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from airpatch.blobs.content import BytesBlob
from airpatch.encoders.kzstd_versions import versions
from airpatch.encoders.zstd_layout import build, emit_part
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.encoders.zstd_replicas import frame_encoder, full_block
from airpatch.errors import FormatError
from airpatch.layers.frames import split

SAMPLE = (Path(__file__).parents[1] / "fixtures/encoders/small.tar").read_bytes()
LEVELS = ("fastest", "default", "better", "best")
LIMIT = 1 << 40
SOURCE = """package main
import ("bufio"; "bytes"; "encoding/binary"; "io"; "os"; "github.com/klauspost/compress/zstd")
func check(err error) { if err != nil { panic(err) } }
func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var head struct { Level, Jobs uint32; Count uint32 }
		if binary.Read(in, binary.LittleEndian, &head) != nil { return }
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.EncoderLevel(head.Level)),
			zstd.WithEncoderConcurrency(int(head.Jobs)))
		check(err)
		for ; head.Count > 0; head.Count-- {
			var op, size uint32
			check(binary.Read(in, binary.LittleEndian, &op))
			check(binary.Read(in, binary.LittleEndian, &size))
			data := make([]byte, size)
			_, err = io.ReadFull(in, data)
			check(err)
			switch op {
			case 0: _, err = w.Write(data)
			case 1: _, err = io.Copy(w, io.LimitReader(bytes.NewReader(data), int64(size)))
			case 2: err = w.Flush()
			case 3: err = w.Close(); w.Reset(&b)
			}
			check(err)
		}
		check(w.Close())
		check(binary.Write(out, binary.LittleEndian, uint32(b.Len())))
		out.Write(b.Bytes())
		check(out.Flush())
	}
}
"""
WRITE, READ_FROM, FLUSH, CLOSE = range(4)
Operation = tuple[int, bytes]


class Original:
    """The real encoder of a version, in a process that writes file after file."""

    def __init__(self, go: str, version: str, folder: Path, work: Path) -> None:
        place = work / version
        place.mkdir()
        (place / "main.go").write_text(SOURCE)
        module = "github.com/klauspost/compress"
        (place / "go.mod").write_text(f"module m\ngo 1.22\nrequire {module} v{version}\nreplace {module} => {folder}\n")
        environment = os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "CGO_ENABLED": "0"}
        subprocess.run([go, "build", "-o", "original", "."], cwd=place, env=environment, check=True)
        self.version = version
        self._process = subprocess.Popen([place / "original"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._input, self._output = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)

    def write(self, level: int, jobs: int, operations: Sequence[Operation]) -> bytes:
        self._input.write(struct.pack("<3I", level + 1, jobs, len(operations)))
        for operation, data in operations:
            self._input.write(struct.pack("<2I", operation, len(data)) + data)
        self._input.flush()
        return self._output.read(struct.unpack("<I", self._output.read(4))[0])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def content(rng: random.Random) -> bytes:
    """Pieces of many kinds, some of them twice, some up to the end of a block."""
    data = b"".join(piece(rng) for _ in range(rng.choice((1, 1, 2, 5, 12))))
    data += data[: rng.choice((0, 0, 0, rng.randrange(len(data) + 1)))]
    return data[: rng.choice((len(data), len(data), len(data) >> 16 << 16 or 1, rng.randrange(3)))]


def piece(rng: random.Random) -> bytes:
    size = rng.choice((rng.randrange(1, 40), rng.randrange(1, 3000), rng.randrange(1, 300_000), 1 << 16, 1 << 17))
    at = rng.randrange(len(SAMPLE))
    match rng.randrange(6):
        case 0:
            return rng.randbytes(size)
        case 1:
            return rng.randbytes(1) * size
        case 2:
            return (rng.randbytes(rng.randrange(1, 300)) * size)[:size]
        case 3:
            return bytes(byte & 15 for byte in rng.randbytes(size))
        case 4:
            return b"".join(b"line %d of file %d\n" % (i, rng.randrange(99)) for i in range(size // 18 + 1))
    return SAMPLE[at : at + size]


def operations(rng: random.Random, data: bytes) -> list[Operation]:
    """Write `data` in pieces, flushed here and there, in one frame or in many."""
    found: list[Operation] = []
    flushes, frames = rng.choice((0, 0, 0.4)), rng.choice((0, 0, 0.3))
    at = 0
    while at < len(data):
        size = rng.choice((rng.randrange(1, 100), rng.randrange(1, 300_000), 1 << 16, len(data)))
        if len(found) > 60:
            size = len(data)
        found.append((rng.choice((WRITE, WRITE, READ_FROM)), data[at : at + size]))
        at += size
        found += [(FLUSH, b"")] * (rng.random() < flushes) + [(CLOSE, b"")] * (rng.random() < frames)
    return found


def rebuilt(name: str, file: bytes, data: bytes) -> bool:
    """Return whether the replica of that name makes the file again."""
    parts = list(split(BytesBlob(file), len(file), LIMIT, full_block(name)))
    layout, rest = b"".join(emit_part(part) for part, _ in parts), b"".join(beside for _, beside in parts)
    streams = (io.BytesIO(stream).read for stream in (layout, data, rest))
    try:
        return b"".join(build(frame_encoder(name), *streams)) == file
    except FormatError:
        return False


def replica_name(version: str, level: str) -> str:
    def order(text: str) -> list[int]:
        return [int(number) for number in text.split(".")]

    return f"kzstd-{max((v for v in versions(level) if order(v) <= order(version)), key=order)}-{level}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--go", default="go")
    options.add_argument("--klauspost", action="append", required=True, metavar="VERSION=FOLDER")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    seeds = random.Random(arguments.seed)  # noqa: S311
    end = time.monotonic() + arguments.seconds
    cases = failures = 0
    with tempfile.TemporaryDirectory() as work:
        pairs = (argument.split("=", 1) for argument in arguments.klauspost)
        originals = [Original(arguments.go, v, Path(folder).resolve(), Path(work)) for v, folder in pairs]
        try:
            while time.monotonic() < end:
                seed = seeds.getrandbits(40)
                rng = random.Random(seed)  # noqa: S311
                data, original, level = content(rng), rng.choice(originals), rng.choice((0, 1, 1, 2, 3))
                file = original.write(level, rng.choice((1, 4)), operations(rng, data))
                name = replica_name(original.version, LEVELS[level])
                cases += 1
                found = recognise_frames(file[: 1 << 20]) if file else []
                if file and not (rebuilt(name, file, data) and any(rebuilt(each, file, data) for each in found)):
                    failures += 1
                    print(f"seed {seed}: {original.version} {LEVELS[level]}, {len(data)} bytes")
        finally:
            for original in originals:
                original.close()
    print(f"{cases} cases, {failures} failures")
    return min(failures, 1)


if __name__ == "__main__":
    raise SystemExit(main())
