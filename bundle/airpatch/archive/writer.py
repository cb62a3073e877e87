"""Writes a bundle in one pass over its blobs: reading, hashing, packing and writing at the same time.

The calling thread reads in the order of the layout, another one writes in it; a pool hashes each blob's bytes in order
and packs frames in any order. At most `WINDOW` bytes of content are under way, whatever the size of the bundle.
Findings are collected, so that one run names every bad blob; after the first one nothing more is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass

from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.window import WINDOW
from airpatch.blobs.buffers import Buffers
from airpatch.blobs.content import BlobReader, BytesBlob, Content
from airpatch.blobs.hashing import SerialHash
from airpatch.blobs.output import Sink
from airpatch.errors import AirpatchError, SourceError
from airpatch.execution import Execution
from airpatch.format import layout, zstd
from airpatch.format.index_encoding import emit_index
from airpatch.format.layout import FramePlan, Packing, Piece
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.release import owners
from airpatch.progress import ProgressPart
from airpatch.worker_pool import worker_pool


def write_bundle(bundle: PreparedBundle, sink: Sink, execution: Execution) -> list[zstd.Frame]:
    """Write `bundle` to `sink`; return its seek table.

    Raises SourceError with all findings if content is missing or wrong, TargetError if `sink` fails.
    """
    index = bundle.index
    arriving = bundle.arriving
    task = execution.task()
    parsed = {digest: parse_manifest(bytes_) for digest, bytes_ in bundle.manifests.items()}

    def images() -> Mapping[Digest, object]:
        return owners(index.release.images, parsed)

    work = layout.blob_bytes(index) + (0 if arriving is None else arriving.size)
    with task.part(f"packing {index.release.name}", work, images) as part, ExitStack() as stack:
        content, verified = bundle.content, frozenset[Digest]()
        if arriving is not None:
            verified = frozenset(arriving.verified)
            content = stack.enter_context(arriving.content(part, task.cancellation))
        pool = stack.enter_context(worker_pool(task.threads))
        writing = stack.enter_context(worker_pool(1))
        run = _Run(content, verified, bundle.manifests, sink, pool, writing, part)
        stack.callback(run.close)
        try:
            run.write(layout.index_section(emit_index(index)))
            run.write(layout.index_signatures_section(bundle.signatures))
            run.write(layout.data_section(index))
            run.write(layout.manifests_section(index))
            run.write(layout.links_section(index, parsed))
            run.drain()
        except BaseException:
            sink.abandon()
            raise
    if run.failed:
        patches = {step.patch: f"layer patch of {step.digest}" for step in index.steps}
        known = {**patches, **images()}
        findings = [f"{known.get(digest, 'signature')}: {error}" for digest, error in run.failed.items()]
        raise SourceError("the bundle was not made: content of its images is missing or wrong", findings)
    sink.write([zstd.emit_seek_table(run.frames)])
    return run.frames


@dataclass(slots=True)
class _PendingFrame:
    """A frame under way: `content` is in use until it is `written`."""

    plan: FramePlan
    content: memoryview
    written: Future[None]


class _Run:
    """The state of one pass. `failed` has the first error of each bad member."""

    def __init__(
        self,
        content: Content,
        verified: frozenset[Digest],
        manifests: Mapping[Digest, bytes],
        sink: Sink,
        pool: Executor,
        writing: Executor,
        part: ProgressPart,
    ) -> None:
        self.frames: list[zstd.Frame] = []
        self.failed: dict[Digest, AirpatchError] = {}
        self._content = content
        self._verified = verified
        self._manifests = manifests
        self._sink = sink
        self._pool = pool
        self._writing = writing
        self._part = part
        self._reader: BlobReader | None = None
        self._hash = SerialHash(pool)
        self._broken = False
        self._under_way: deque[_PendingFrame] = deque()
        self._bytes_under_way = 0
        self._buffers = Buffers(layout.FRAME)

    def write(self, plans: Iterable[FramePlan]) -> None:
        for plan in plans:
            size = plan.content
            while self._under_way and self._bytes_under_way + size > WINDOW:
                self._finish_frame()
            self._start_frame(plan, size)

    def drain(self) -> None:
        while self._under_way:
            self._finish_frame()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _start_frame(self, plan: FramePlan, size: int) -> None:
        view = self._buffers.take(size)
        hashed: list[tuple[Digest, Future[None]]] = []
        position = 0
        for piece in plan.pieces:
            length = piece.stop - piece.start
            self._fill(piece, view[position : position + length], hashed)
            position += length
        packed = self._pool.submit(_pack, view, plan.packing)
        written = self._writing.submit(self._write_frame, view, packed, hashed)
        self._under_way.append(_PendingFrame(plan, view, written))
        self._bytes_under_way += size

    def _fill(self, piece: Piece, view: memoryview, hashed: list[tuple[Digest, Future[None]]]) -> None:
        """Put the records of `piece` into `view` and have the content among them hashed."""
        member = piece.member
        records = len(member.header)
        begin, end = max(piece.start, records), min(piece.stop, records + member.size)
        view[: begin - piece.start] = member.header[piece.start : begin]
        target = view[begin - piece.start : end - piece.start]
        if member.content is not None:
            target[:] = member.content[begin - records : end - records]
        elif (digest := member.digest) is not None:
            if piece.start == 0:
                self._open(digest, member.size)
            if digest not in self.failed:
                self._read(digest, target, begin - records)
            if digest not in self.failed and digest not in self._verified:
                hashed.append((digest, self._hash.update(target)))
                if piece.stop == member.total:
                    hashed.append((digest, self._hash.check(digest)))
            if piece.stop == member.total:
                self.close()
        view[end - piece.start :] = bytes(piece.stop - end)

    def _open(self, digest: Digest, size: int) -> None:
        self._hash = SerialHash(self._pool)
        try:
            manifest = self._manifests.get(digest)
            self._reader = self._content.open(digest, size) if manifest is None else BytesBlob(manifest)
        except AirpatchError as error:
            self.failed[digest] = error

    def _read(self, digest: Digest, target: memoryview, offset: int) -> None:
        try:
            if self._reader is not None:
                self._reader.read_into(target, offset)
        except AirpatchError as error:
            self.failed[digest] = error

    def _write_frame(
        self, content: memoryview, packed: Future[list[zstd.Buffer]], hashed: Iterable[tuple[Digest, Future[None]]]
    ) -> None:
        for digest, future in hashed:
            try:
                future.result()
            except AirpatchError as error:
                self.failed.setdefault(digest, error)
        pieces = packed.result()
        if not self.failed and not self._broken:
            self._broken = True  # unless this ends well: nothing may follow what was not written
            self._sink.write(pieces)
            self._broken = False
            self.frames.append(zstd.Frame(sum(map(len, pieces)), len(content), zstd.trailer(pieces[-1])))

    def _finish_frame(self) -> None:
        frame = self._under_way.popleft()
        frame.written.result()
        self._bytes_under_way -= len(frame.content)
        self._part.advance(frame.plan.blob_bytes, frame.plan.pieces[0].member.digest)
        self._buffers.give_back(frame.content)


def _pack(content: memoryview, packing: Packing) -> list[zstd.Buffer]:
    return zstd.dense_frame(content) if packing is Packing.DENSE else [zstd.compress(content)]
