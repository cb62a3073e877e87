"""Mutate layer patches and carry them out, in process: `python -m fuzz.layers [--seconds N] [--seed N]`.

Each case either makes the right blob or ends in FormatError, IntegrityError or BaseMismatch, in bounded memory and
time, and leaves no file open; anything else is printed with the patch in hexadecimal, and ends the run. Put what it
finds into fixtures/vector_layers.py as a vector.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import random
import resource
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from airpatch.execution import Cancellation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airpatch.blobs.content import BytesBlob
from airpatch.deflate.parse import GzipParser, Parsed
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.replicas import deflater, flushed_names, other_names, usual_names
from airpatch.errors import BaseMismatch, FormatError, IntegrityError
from airpatch.format.index import Step
from airpatch.layers.blob_builder import BlobBuilder
from airpatch.layers.recipe import Corrected, Method, Plain, Raw, Replay, Replica, Whole, emit_header
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.model.digest import Digest

FIXTURES = Path(__file__).parents[1] / "fixtures" / "deflate"
HEADER = bytes.fromhex("1f8b08000000000000ff")
ENTRIES = 1 << 6
SECONDS_LIMIT = 5.0
UNCOMPRESSED_LIMIT = 1 << 20


@dataclass(frozen=True)
class Case:
    """A layer patch in parts, with what it is applied to. `columns` are those of `Replay`, `like` those of a source."""

    method: Method
    target: bytes
    blob: bytes
    sources: tuple[bytes, ...]
    inputs: tuple[bytes, ...]
    columns: tuple[bytes, ...] = ()
    like: tuple[bytes, ...] = ()

    def sections(self) -> list[bytes]:
        if isinstance(self.method, Whole):
            return [self.blob]
        old = [[column] if self.like else [] for column in self.like or self.columns]
        differences = [delta(column, source) for column, source in zip(self.columns, old, strict=True)]
        return [delta(self.target, self.inputs), *differences]


def delta(target: bytes, sources: Sequence[bytes]) -> bytes:
    return b"".join(encode(target, sources, Effort.FAST, ENTRIES))


def packed(method: Method, sections: Sequence[bytes]) -> bytes:
    return b"".join([emit_header(method, tuple(map(len, sections))), *sections])


def take_apart(data: bytes) -> Parsed:
    parser = GzipParser(UNCOMPRESSED_LIMIT)
    parts = [*parser.feed(data), *parser.close()]
    return Parsed(*(b"".join(getattr(part, field.name) for part in parts) for field in fields(Parsed)))


def columns_of(data: bytes) -> tuple[bytes, ...]:
    part = take_apart(data)
    return part.layout, part.runs, part.sources, part.distances


def tar(*files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number, content in enumerate(files):
            info = tarfile.TarInfo(f"file {number}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()[: 512 * 5]


def seeds() -> list[Case]:
    """Small blobs of all methods; long ones would hide their headers from mutation."""
    text = (FIXTURES / "sample.tar").read_bytes()[40_000:41_000]
    old, new = tar(text[:500], b"old"), tar(text[:400] + text[600:], b"new")
    packed_old = gzip.compress(old, mtime=0)
    cases = [
        Case(Plain(), new, new, (old,), (old,)),
        Case(Plain(), new, new, (packed_old, new[:700]), (old, new[:700])),
        Case(Plain(), b"", b"", (), ()),
        Case(Whole(), b"", packed_old, (), ()),
        Case(Raw(), new, new, (old, packed_old), (old, packed_old)),
    ]
    for name in ("zlib-6", "go1-flate-6", "klauspost-1.18.2-6", "pgzip/klauspost-1.18.2-5", "pigz-9"):
        cases.append(Case(Replica(name, HEADER), new, made(name, new), (packed_old,), (old,)))
    for level, strategy in ((0, 0), (1, 0), (9, 0), (6, zlib.Z_FIXED), (6, zlib.Z_HUFFMAN_ONLY)):
        compressor = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
        blob = compressor.compress(new) + compressor.flush()
        for file in (blob, blob + gzip.compress(b"second member", mtime=0), blob + b"tail" * 20):
            uncompressed = take_apart(file).uncompressed
            decisions = columns_of(file)
            like = columns_of(packed_old)
            cases.append(Case(Replay((0,)), uncompressed, file, (packed_old,), (old,), decisions, like))
            cases.append(Case(Replay(()), uncompressed, file, (), (), decisions))
            other = columns_of(made("zlib-6", uncompressed))
            cases.append(Case(Corrected(Replica("zlib-6", HEADER)), uncompressed, file, (), (), decisions, other))
    return cases


def made(name: str, uncompressed: bytes) -> bytes:
    """The gzip file that a replica makes."""
    encoder = deflater(name)
    body = encoder.feed(uncompressed) + encoder.finish()
    return HEADER + body + zlib.crc32(uncompressed).to_bytes(4, "little") + len(uncompressed).to_bytes(4, "little")


class Blobs:
    """Blobs by the digests that they are asked for, right or not."""

    def __init__(self, blobs: dict[Digest, bytes]) -> None:
        self._blobs = blobs

    def size(self, digest: Digest) -> int | None:
        return len(self._blobs[digest]) if digest in self._blobs else None

    def open(self, digest: Digest, size: int) -> BytesBlob:
        if self.size(digest) != size:
            raise BaseMismatch(f"{digest} is not there")
        return BytesBlob(self._blobs[digest])


class Collected:
    def __init__(self) -> None:
        self.data = bytearray()
        self.complete_ = False

    def write(self, piece: memoryview) -> None:
        self.data += piece

    def complete(self) -> None:
        self.complete_ = True


def carry_out(case: Case, patch: bytes, sources: Sequence[bytes], size: int, uncompressed: int) -> None:
    """Make the blob of `case` by `patch`. Raises what the applier raises, and AssertionError for a wrong blob."""
    digests = tuple(map(Digest.of, case.sources))
    blobs = Blobs(dict(zip(digests, sources, strict=True)))
    sizes = {d: (len(s), len(p)) for d, s, p in zip(digests, case.sources, case.inputs, strict=True)}
    inputs = UncompressedLayers(blobs, lambda: os.memfd_create("scratch"), dict.fromkeys(digests, 1))
    step = Step(Digest.of(case.blob), size, uncompressed, Digest.of(patch), len(patch), digests)
    output = Collected()
    try:
        BlobBuilder(sizes, blobs, inputs, None, Cancellation()).build(step, BytesBlob(patch), output)
    finally:
        inputs.close()
        if len(output.data) > size:
            raise AssertionError(f"{len(output.data)} bytes written of {size}")
    if not output.complete_ or hashlib.sha256(output.data).digest() != step.digest.raw:
        raise AssertionError("a wrong blob was taken for the right one")


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, repeat, or splice a few places."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * rng.choice((1, 1, 1, 30))
        elif kind == 4:
            start = rng.randrange(len(other) + 1)
            out[at : at + size] = other[start : start + size]
        else:
            out[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))])
    return bytes(out)


class Fuzzer:
    """Draws cases; `patch` is the one under way, for the report."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._cases = seeds()
        self._sections = [case.sections() for case in self._cases]
        self._names = [*usual_names(), *other_names(), *flushed_names()]
        self.patch = b""
        for case, sections in zip(self._cases, self._sections, strict=True):
            carry_out(case, packed(case.method, sections), case.sources, len(case.blob), len(case.target))

    def run(self) -> None:
        """One case."""
        rng = self._rng
        number = rng.randrange(len(self._cases))
        case, sections = self._cases[number], list(self._sections[number])
        other = rng.choice(rng.choice(self._sections))
        sources = list(case.sources)
        size, uncompressed = len(case.blob), len(case.target)
        kinds: list[Callable[[], bytes]] = [
            lambda: mutated(packed(case.method, sections), other, rng),
            lambda: self._with_section(case, sections, other),
            lambda: self._with_section(case, sections, other),
            lambda: packed(self._method(case), sections),
        ]
        if case.columns:
            kinds += [lambda: self._with_decisions(case, sections, other)] * 3
        self.patch = rng.choice(kinds)() if rng.random() < 0.9 else packed(case.method, sections)
        if sources and rng.random() < 0.1:
            which = rng.randrange(len(sources))
            sources[which] = mutated(sources[which], other, rng)
        if rng.random() < 0.05:
            size = rng.choice((0, size - 1, size + 1, 2**63 - 1)) if size else 1
            uncompressed = rng.choice((0, max(uncompressed - 1, 0), uncompressed + 1, 2**63 - 1))
        carry_out(case, self.patch, sources, size, uncompressed)

    def _with_section(self, case: Case, sections: list[bytes], other: bytes) -> bytes:
        which = self._rng.randrange(len(sections))
        sections[which] = mutated(sections[which], other, self._rng)
        return packed(case.method, sections)

    def _with_decisions(self, case: Case, sections: list[bytes], other: bytes) -> bytes:
        """Decisions or uncompressed data that are wrong themselves, in a difference that is right."""
        rng = self._rng
        which = rng.randrange(len(sections))
        target = (case.target, *case.columns)[which]
        old = case.inputs if not which else case.like[which - 1 : which]
        sections[which] = delta(mutated(target, other, rng), old)
        return packed(case.method, sections)

    def _method(self, case: Case) -> Method:
        rng = self._rng
        match case.method:
            case Replica() as replica:
                return self._replica(replica)
            case Corrected(replica):
                return Corrected(self._replica(replica))
            case Replay():
                return Replay(tuple(rng.sample(range(4), rng.randrange(3))))
        others: list[Method] = [Plain(), Raw(), Whole(), Replica(rng.choice(self._names), HEADER)]
        return rng.choice(others)

    def _replica(self, replica: Replica) -> Replica:
        rng = self._rng
        start = mutated(replica.start, HEADER, rng) if rng.random() < 0.3 else replica.start
        return replace(replica, encoder=rng.choice([*self._names, "", "x" * 300]), start=start)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    fuzzer = Fuzzer(random.Random(arguments.seed))  # noqa: S311
    files = len(os.listdir("/proc/self/fd"))
    end = time.monotonic() + arguments.seconds
    cases = survived = 0
    slowest = 0.0
    while time.monotonic() < end:
        begin = time.process_time()
        try:
            fuzzer.run()
            survived += 1
        except (FormatError, IntegrityError, BaseMismatch):
            pass
        except BaseException:
            print("finding:", fuzzer.patch.hex(), file=sys.stderr)
            raise
        slowest = max(slowest, time.process_time() - begin)
        if slowest > SECONDS_LIMIT:
            print("slow:", fuzzer.patch.hex(), file=sys.stderr)
            return 1
        cases += 1
        if not cases % 100_000:
            print(f"{cases} cases", flush=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    open_files = len(os.listdir("/proc/self/fd")) - files
    print(
        f"{cases} cases, {survived} without error, slowest {slowest:.2f} s, peak memory {memory} MiB, "
        f"{open_files} files left open"
    )
    return 1 if open_files else 0


if __name__ == "__main__":
    raise SystemExit(main())
