"""Layers under many encoders, and layer patches made and carried out in memory."""

from __future__ import annotations

import gc
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import zstandard

from airpatch.archive.writer import write_bundle
from airpatch.blobs.content import BytesBlob
from airpatch.blobs.scratch import MemoryScratch
from airpatch.delta.effort import Effort
from airpatch.encoders.replicas import deflater
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import BaseMismatch
from airpatch.format.index import UNKNOWN_TYPE, Feature, Index, SourceBlob, Step
from airpatch.layers.differ import Differ
from airpatch.layers.rebuild import rebuild_blobs
from airpatch.layers.recipe import Method, Plain, Replica, ViewSizes, emit_header, read_header
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.patches.layer_patching import patch_layers
from airpatch.progress import NO_PROGRESS, Progress
from airpatch.sources.gather import Gathered
from tests.deflate.support import take_apart
from tests.delta.support import delta, noise, tar
from tests.support import OCI_GZIP_LAYER, Builder, MemorySink, execution, sample

GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
RELEASE = sample().release


def text(size: int, seed: int) -> bytes:
    """Text that shrinks to about half."""
    return noise(size // 2 + 1, seed).hex().encode()[:size]


def layer(*seeds: int, size: int = 6000, prefix: str = "usr/lib/") -> bytes:
    """A tar of a file for each seed."""
    return tar({f"{prefix}{seed}.txt": text(size, seed) for seed in seeds})


def changed(data: bytes, seed: int = 1) -> bytes:
    """`data` with a few bytes changed, some away and some new."""
    place = len(data) // 3
    return data[:place] + text(40, seed) + data[place + 20 : 2 * place] + b"!" + data[2 * place + 1 :]


def deflated(level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> Callable[[bytes], bytes]:
    def encode(uncompressed: bytes) -> bytes:
        encoder = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
        return encoder.compress(uncompressed) + encoder.flush()

    return encode


def replica(name: str, header: bytes = GZIP_HEADER) -> Callable[[bytes], bytes]:
    def encode(uncompressed: bytes) -> bytes:
        encoder = deflater(name)
        trailer = zlib.crc32(uncompressed).to_bytes(4, "little") + len(uncompressed).to_bytes(4, "little")
        return header + encoder.feed(uncompressed) + encoder.finish() + trailer

    return encode


def members(uncompressed: bytes) -> bytes:
    """A member for each part of the uncompressed data, as in eStargz."""
    return b"".join(gzip.compress(uncompressed[at : at + 5000], mtime=0) for at in range(0, len(uncompressed), 5000))


def flushed(uncompressed: bytes) -> bytes:
    encoder = zlib.compressobj(6, zlib.DEFLATED, 31)
    parts = [
        encoder.compress(uncompressed[at : at + 3000]) + encoder.flush(zlib.Z_SYNC_FLUSH)
        for at in range(0, len(uncompressed), 3000)
    ]
    return b"".join([*parts, encoder.flush()])


NAMED_HEADER = bytes.fromhex("1f8b0808665544330203") + b"layer.tar\0"
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "zlib-1": deflated(1),
    "zlib-9": deflated(9),
    "stored": deflated(0),
    "fixed": deflated(6, zlib.Z_FIXED),
    "huffman": deflated(6, zlib.Z_HUFFMAN_ONLY),
    "go": replica("go1-flate-6"),
    "pgzip": replica("pgzip/klauspost-1.18.2-5"),
    "pigz": replica("pigz-9", NAMED_HEADER),
    "members": members,
    "flushed": flushed,
    "tail": lambda uncompressed: deflated()(uncompressed) + b"\0" * 512,
    "members and tail": lambda uncompressed: members(uncompressed) + b"no gzip",
}


def zstd(uncompressed: bytes) -> bytes:
    """A zstd frame by an encoder that has no name: libzstd at a level for which there is no replica."""
    return zstandard.ZstdCompressor(level=-100).compress(uncompressed)


def ends_stored(name: str) -> Callable[[bytes], bytes]:
    """A zstd frame as a replica begins it, and as none ends it: the last eighth, up to 128 KiB, is a raw block."""

    def encode(uncompressed: bytes) -> bytes:
        encoder = frame_encoder(name)
        stored = len(uncompressed) // 8
        begin = encoder.feed(uncompressed[:-stored]) + encoder.flush()
        checksum = (encoder.feed(uncompressed[-stored:]) + encoder.finish())[-4:]
        return begin + (stored << 3 | 1).to_bytes(3, "little") + uncompressed[-stored:] + checksum

    return encode


def framed(name: str, size: int = 0) -> Callable[[bytes], bytes]:
    """A zstd frame by a replica; or frames of `size` uncompressed bytes each, then a skippable one, as zstd:chunked."""

    def encode(uncompressed: bytes) -> bytes:
        encoder = frame_encoder(name)
        if not size:
            return encoder.feed(uncompressed) + encoder.finish()
        out = bytearray()
        for at in range(0, len(uncompressed), size):
            encoder.begin(size)
            out += encoder.feed(uncompressed[at : at + size]) + encoder.finish()
        return bytes(out) + b"\x50\x2a\x4d\x18\x0a\0\0\0" + b"at the end"

    return encode


def columns(blob: bytes, uncompressed: bytes) -> list[bytes]:
    taken = take_apart(blob)
    assert taken.uncompressed == uncompressed
    return [taken.layout, taken.runs, taken.sources, taken.distances]


def replayed(new: bytes, uncompressed: bytes, old: bytes, old_uncompressed: bytes) -> list[bytes]:
    """The sections of a replay."""
    own, other = columns(new, uncompressed), columns(old, old_uncompressed)
    return [delta(uncompressed, [old_uncompressed]), *(delta(a, [b]) for a, b in zip(own, other, strict=True))]


class Blobs:
    """Blobs by the digests that they are known by, which need not be theirs."""

    def __init__(self, blobs: Mapping[Digest, bytes]) -> None:
        self.blobs = dict(blobs)

    def size(self, digest: Digest) -> int | None:
        return len(self.blobs[digest]) if digest in self.blobs else None

    def open(self, digest: Digest, size: int) -> BytesBlob:
        if self.size(digest) != size:
            raise BaseMismatch(f"{digest} is not there")
        return BytesBlob(self.blobs[digest])


def by_digest(*blobs: bytes) -> dict[Digest, bytes]:
    return {Digest.of(blob): blob for blob in blobs}


def rows(blobs: Iterable[bytes]) -> list[Blob]:
    return [Blob(Digest.of(blob), len(blob), UNKNOWN_TYPE) for blob in blobs]


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def left_open(before: int) -> int:
    """How many files more are open than `before`; those that wait to be collected do not count."""
    if descriptors() > before:
        gc.collect()
    return max(0, descriptors() - before)


@dataclass
class Patches:
    """What a differ made, out of its files."""

    steps: list[Step]
    sources: list[SourceBlob]
    contents: dict[Digest, bytes] = field(default_factory=dict)
    features: set[Feature] = field(default_factory=set)

    @property
    def index(self) -> Index:
        return Index(RELEASE, (), (), (), tuple(self.sources), tuple(self.steps), tuple(sorted(self.features)))

    @property
    def sizes(self) -> list[int]:
        return [step.patch_size for step in self.steps]


def diff(
    new: Sequence[bytes],
    old: Sequence[bytes] = (),
    *,
    effort: Effort = Effort.DEFAULT,
    jobs: int = 2,
    memory: int = 1 << 30,
    progress: Progress = NO_PROGRESS,
) -> Patches:
    """Layer patches for the blobs `new` where every target has `old`."""
    content = Blobs(by_digest(*new, *old))
    made = Differ(content, execution(jobs, progress, memory), effort).make(rows(new), rows(old))
    with closing(made):
        patches = Patches(made.steps, made.sources, {}, made.features)
        for step in made.steps:
            reader = made.open(step.patch, step.patch_size)
            buffer = bytearray(step.patch_size)
            reader.read_into(memoryview(buffer), 0)
            patches.contents[step.patch] = bytes(buffer)
    return patches


class Collected:
    """An output in memory; `done` is called with the blob."""

    def __init__(self, done: Callable[[bytes], None]) -> None:
        self.data = bytearray()
        self._done = done

    def write(self, piece: memoryview) -> None:
        self.data += piece

    def complete(self) -> None:
        self._done(bytes(self.data))


def carry_out(
    patches: Patches,
    there: Mapping[Digest, bytes],
    steps: Sequence[Step] | None = None,
    jobs: int = 2,
    progress: Progress = NO_PROGRESS,
    memory: MemoryScratch | None = None,
) -> dict[Digest, bytes]:
    """The blobs that the steps make out of those that are `there`."""
    content = Blobs({**there, **patches.contents})
    made: dict[Digest, bytes] = {}

    def output(step: Step) -> Collected:
        def done(blob: bytes) -> None:
            content.blobs[step.digest] = made[step.digest] = blob

        return Collected(done)

    every = patches.steps if steps is None else steps
    rebuild_blobs(patches.index, every, content, output, execution(jobs, progress), memory=memory)
    return made


def methods(patches: Patches) -> list[Method]:
    """How each step rebuilds its blob."""
    return [read_header(BytesBlob(patches.contents[step.patch]), step.patch_size).method for step in patches.steps]


def handmade(
    blob: bytes,
    method: Method,
    sections: Sequence[bytes],
    sources: Mapping[bytes, bytes] | None = None,
    uncompressed: int = 0,
    views: ViewSizes | None = None,
) -> Patches:
    """One step that says it makes `blob` by `method`, of `sources`, which are blobs with their uncompressed data."""
    patch = emit_header(method, tuple(map(len, sections)), views) + b"".join(sections)
    own = {Digest.of(source): (len(source), len(inside)) for source, inside in (sources or {}).items()}
    step = Step(
        Digest.of(blob),
        len(blob),
        uncompressed,
        Digest.of(patch),
        len(patch),
        tuple(own),
        views.sources if views else 0,
    )
    rows = [SourceBlob(digest, *own[digest]) for digest in sorted(own)]
    return Patches([step], rows, {step.patch: patch})


GO_LAYERS = [
    replica("go1-flate-6")(uncompressed)
    for uncompressed in (layer(1, size=9000), changed(layer(1, size=9000)), changed(layer(1, size=9000), 2))
]
"""Layers that resemble each other."""


def repacked(layers: Sequence[bytes] = GO_LAYERS) -> tuple[Index, bytes]:
    """A full bundle whose layers travel uncompressed."""
    builder = Builder()
    builder.tag("web:r1", builder.picture(layers, layer_type=OCI_GZIP_LAYER))
    release = builder.release
    gathered = Gathered(release, builder.manifests, builder.content)
    patched = patch_layers(Index.full(release), gathered, [], execution())
    sink = MemorySink()
    with patched:
        write_bundle(patched, sink, execution())
    return patched.index, bytes(sink.data)


def chain(count: int) -> tuple[Patches, dict[Digest, bytes]]:
    """Blobs each of which is made from the one before."""
    inputs = [layer(1, size=9000)]
    for number in range(count):
        inputs.append(changed(inputs[-1], number))
    blobs = [ENCODERS["go" if number % 2 else "plain"](each) for number, each in enumerate(inputs)]
    parts = []
    for number in range(1, count + 1):
        method = Replica("go1-flate-6", GZIP_HEADER) if number % 2 else Plain()
        before, now = inputs[number - 1 : number + 1]
        parts.append(handmade(blobs[number], method, [delta(now, [before])], {blobs[number - 1]: before}, len(now)))
    first = parts[0].sources
    steps = [part.steps[0] for part in parts]
    return Patches(steps, first, {k: v for part in parts for k, v in part.contents.items()}), by_digest(*blobs)
