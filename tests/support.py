"""Small releases in memory, and bundles of them written and read back, for tests of the library."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from airpatch.archive.frame_reader import FileFrameReader, FrameReader, InterruptiblePipe, PipeFrameReader
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.reader import BundleStream
from airpatch.archive.writer import write_bundle
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.content import BytesBlob
from airpatch.errors import AirpatchError, SourceError
from airpatch.execution import Execution
from airpatch.format import layout, zstd
from airpatch.format.index import Index
from airpatch.format.layout import Member
from airpatch.model import manifest as types
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image, ImageSignature, Release, assemble, check_manifests
from airpatch.progress import NO_PROGRESS, Progress

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_GZIP_LAYER = f"{OCI_LAYER}+gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"


class MemoryContent:
    """Blobs by digest. `opened` counts how often each was read."""

    def __init__(self, blobs: Mapping[Digest, bytes]) -> None:
        self.blobs = dict(blobs)
        self.opened: list[Digest] = []

    def size(self, digest: Digest) -> int | None:
        return len(self.blobs[digest]) if digest in self.blobs else None

    def open(self, digest: Digest, size: int) -> BytesBlob:
        self.opened.append(digest)
        if self.size(digest) != size:
            raise SourceError(f"{digest} is not there in {size} bytes")
        return BytesBlob(self.blobs[digest])


def scratch() -> int:
    """A scratch file in memory."""
    return os.memfd_create("scratch")


@dataclass
class Part:
    """A part of some work, as it was announced and done."""

    label: str
    total: int
    done: int = 0
    items: list[str] = field(default_factory=list)
    ended: bool = False


class Recorder:
    """Remembers progress. `hook` is called each time that something is done."""

    def __init__(self, hook: Callable[[], None] = lambda: None) -> None:
        self.parts: list[Part] = []
        self._hook = hook
        self._lock = threading.Lock()

    @property
    def labels(self) -> list[str]:
        return [part.label for part in self.parts]

    @property
    def adds_up(self) -> bool:
        """Whether each part has ended with all done that was announced, and nothing more."""
        return all(part.ended and part.done == part.total for part in self.parts)

    def start(self, label: str, total: int) -> None:
        assert all(part.ended for part in self.parts), "two parts at once"
        self.parts.append(Part(label, total))

    def advance(self, size: int, item: str) -> None:
        with self._lock:
            part = self.parts[-1]
            assert not part.ended
            part.done += size
            part.items.append(item)
        self._hook()

    def end(self) -> None:
        self.parts[-1].ended = True


def execution(jobs: int = 2, progress: Progress = NO_PROGRESS, memory: int = 1 << 30) -> Execution:
    """How tests work: with scratch files in memory."""
    return Execution(jobs, memory, scratch, progress)


class MemorySink:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, pieces: Sequence[zstd.Buffer]) -> None:
        for piece in pieces:
            self.data += piece

    def abandon(self) -> None:
        """There is nobody to wait for."""


def descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Builder:
    """Collects images; `release` and the like are what comes out."""

    images: list[Image] = field(default_factory=list)
    manifests: dict[Digest, bytes] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)

    def blob(self, content: bytes) -> bytes:
        self.blobs[Digest.of(content)] = content
        return content

    def manifest(self, content: bytes) -> bytes:
        self.manifests[Digest.of(content)] = content
        return content

    def picture(
        self, layers: Iterable[bytes], *, layer_type: str = OCI_LAYER, config: bytes = b'{"os":"linux"}'
    ) -> bytes:
        """An OCI image manifest over `layers`."""
        return self.manifest(
            encode(
                {
                    "schemaVersion": 2,
                    "mediaType": types.OCI_MANIFEST,
                    "config": descriptor(self.blob(config), OCI_CONFIG),
                    "layers": [descriptor(self.blob(layer), layer_type) for layer in layers],
                }
            )
        )

    def index(self, children: Iterable[bytes]) -> bytes:
        """An OCI index over manifests."""
        manifests = [descriptor(child, parse_manifest(child).media_type) for child in children]
        return self.manifest(encode({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": manifests}))

    def tag(self, name: str, manifest: bytes, signatures: Mapping[bytes, Sequence[bytes]] | None = None) -> None:
        """Name `manifest`; `signatures` has the detached ones of it and of manifests below it."""
        rows = [
            ImageSignature(Digest.of(signed), Digest.of(self.blob(content)), len(content))
            for signed, contents in sorted((signatures or {}).items(), key=lambda item: Digest.of(item[0]))
            for content in contents
        ]
        self.images.append(Image(ImageName.parse(name), Digest.of(manifest), tuple(rows)))

    @property
    def release(self) -> Release:
        return assemble(self.images, self.manifests)

    @property
    def content(self) -> MemoryContent:
        return MemoryContent(self.blobs)

    def bundle(self, index: Index | None = None, *, jobs: int = 2) -> bytes:
        """The bundle of `index`, by default the full one."""
        sink = MemorySink()
        write_bundle(
            PreparedBundle(index or Index.full(self.release), self.manifests, self.content), sink, execution(jobs)
        )
        return bytes(sink.data)


def sample() -> Builder:
    """Two tags of one image, an index of two images with a shared layer, signatures, an empty layer."""
    builder = Builder()
    base = b"base " * 300
    web = builder.picture([base, b"web"])
    builder.tag("shop/web:r1", web, {web: [b"first signature", b"second"]})
    builder.tag("shop/web:stable", web, {web: [b"first signature", b"second"]})
    children = [builder.picture([base, name], config=b'{"os":"%s"}' % name) for name in (b"amd64", b"arm64", b"")]
    builder.tag("proxy:r1", builder.index(children), {children[1]: [b"signature of a child"]})
    return builder


def frame_reader(kind: str, data: bytes | bytearray) -> FrameReader:
    """A reader of `data`: a `file`, or a `pipe`, for which an anonymous file read in order does as well."""
    fd = os.memfd_create("bundle")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return FileFrameReader(FileBytes("bundle", fd)) if kind == "file" else pipe_reader("bundle", fd)


def pipe_reader(name: str, fd: int) -> PipeFrameReader:
    """A reader of the pipe `fd`, which it owns."""
    return PipeFrameReader(name, InterruptiblePipe.opened(fd))


@contextmanager
def piped(data: bytes, step: int) -> Iterator[FrameReader]:
    """A reader of a real pipe into which `data` is written `step` bytes at a time."""
    read, write = os.pipe()

    def fill() -> None:
        with os.fdopen(write, "wb", buffering=0) as pipe:
            try:
                for start in range(0, len(data), step):
                    pipe.write(data[start : start + step])
            except BrokenPipeError:
                return

    thread = threading.Thread(target=fill)
    thread.start()
    source = pipe_reader("bundle", read)
    try:
        yield source
    finally:
        source.close()
        thread.join()


@dataclass
class Contents:
    """What a bundle holds: content of blobs and signatures by path, and the seek table."""

    index: Index
    members: dict[str, bytes]
    manifests: dict[Digest, bytes]
    frames: list[zstd.Frame]


class _Collector:
    def __init__(self, member: Member, done: Callable[[Member, bytes], None]) -> None:
        self._member = member
        self._done = done
        self._data = bytearray()

    def write(self, piece: memoryview) -> None:
        self._data += piece

    def complete(self) -> None:
        self._done(self._member, bytes(self._data))


def read_bundle(
    source: FrameReader, *, jobs: int = 2, findings: list[AirpatchError] | None = None, pool: Executor | None = None
) -> Contents:
    """Everything in the bundle, verified to its last byte, by `pool` or by `jobs` threads. Closes `source`."""
    members: dict[str, bytes] = {}
    manifests: dict[Digest, bytes] = {}

    def done(member: Member, content: bytes) -> None:
        members[member.path] = content
        if member.blob is not None and member.blob.is_manifest:
            manifests[member.blob.digest] = content

    def accept(member: Member) -> _Collector:
        return _Collector(member, done)

    try:
        with nullcontext(pool) if pool is not None else ThreadPoolExecutor(jobs) as workers:
            stream = BundleStream(source, workers)
            index = stream.index
            stream.receive(layout.data_section(index), accept, findings)
            stream.receive(layout.manifests_section(index), accept, findings)
            if index.is_full:
                check_manifests(index.release, manifests)
            parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
            stream.receive(layout.links_section(index, parsed), accept, findings)
            return Contents(index, members, manifests, stream.finish())
    finally:
        source.close()


def split_frames(data: bytes) -> list[bytes]:
    """The frames of a whole bundle, without the seek table."""
    source = frame_reader("file", data)
    assert isinstance(source, FileFrameReader)
    try:
        return [bytes(source.next(None)) for _ in source.table]
    finally:
        source.close()


def join_frames(frames: Iterable[bytes]) -> bytes:
    """A bundle of `frames` with the seek table that belongs to them."""
    frames = list(frames)
    table = [zstd.Frame(len(f), zstd.content_size(f), zstd.trailer(f)) for f in frames]
    return b"".join(frames) + zstd.emit_seek_table(table)


def contents_of(data: bytes) -> list[bytes]:
    """The decompressed frames of a whole bundle."""
    return [zstd.decompress(frame) for frame in split_frames(data)]
