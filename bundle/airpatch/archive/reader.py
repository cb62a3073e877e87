"""Reads a bundle from front to back, from a file or a pipe: every byte is checked against what must stand there.

`BundleStream` reads the opening at once, so that a caller can refuse before it does anything;
then `receive` carries the members of a section to receivers, decompressing and hashing on a pool with at most `WINDOW`
bytes under way. A frame of which nothing is wanted is skipped. A receiver learns that its content is complete
only after the digest was compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.opening import read_opening
from airpatch.archive.window import WINDOW
from airpatch.blobs.hashing import SerialHash
from airpatch.blobs.receiver import Receiver
from airpatch.errors import AirpatchError, FormatError, located
from airpatch.format import zstd
from airpatch.format.index import Index
from airpatch.format.layout import FramePlan, Member, Piece
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart

Accept = Callable[[Member], Receiver | None]
"""Asked once for each blob and signature; None lets its content pass by."""


@dataclass(slots=True)
class _Delivery:
    """A member on its way to its receiver, which gets nothing more once it is `damaged`."""

    receiver: Receiver
    hash: SerialHash
    damaged: bool = False


@dataclass(slots=True)
class _ReceivedFrame:
    plan: FramePlan
    packed: zstd.Buffer
    deliveries: list[_Delivery | None]
    content: Future[memoryview]
    delivered: list[Future[None]]


class BundleStream:
    """A bundle whose index has been read and checked; the next frame is the one after it.

    Sections must be received in the order of the layout, then `finish` called. Raises FormatError in the constructor
    if `reader` is not a bundle.
    """

    def __init__(self, reader: FrameReader, pool: Executor) -> None:
        self.name = reader.name
        self._reader = reader
        self._pool = pool
        self._current: _Delivery | None = None
        self.opening = read_opening(reader)

    @property
    def index(self) -> Index:
        """Raises FormatError if it is none: see `Opening`."""
        return self.opening.index

    def receive(
        self,
        plans: Iterable[FramePlan],
        accept: Accept,
        findings: list[AirpatchError] | None = None,
        part: ProgressPart | None = None,
    ) -> None:
        """Carry the frames of `plans` to the receivers that `accept` gives; `part` counts bytes of blobs.

        The first error ends it, raised once no receiver is running; with `findings`, damaged content is
        noted there instead and reading continues as long as the frames can be told apart.
        Raises FormatError, IntegrityError, TargetError, and what the receivers raise.
        """
        run = _Receiving(self._reader, findings, part or ProgressPart())
        try:
            with located(self._reader.name):
                for plan in plans:
                    self._receive_frame(plan, accept, run)
                while run.bytes:
                    run.finish_frame()
        finally:
            run.settle()

    def _receive_frame(self, plan: FramePlan, accept: Accept, run: _Receiving) -> None:
        size = plan.content
        deliveries = [self._delivery(piece, accept) for piece in plan.pieces]
        if not any(deliveries) and not any(_is_given(piece.member) for piece in plan.pieces):
            self._reader.skip(size)
            run.passed(plan)
            return
        while run.bytes and run.bytes + size > WINDOW:
            run.finish_frame()
        frame = self._reader.next(size)
        run.add(_ReceivedFrame(plan, frame, deliveries, self._pool.submit(zstd.unpack, frame, size), []))

    def finish(self) -> list[zstd.Frame]:
        """Check that nothing follows; return the seek table. Raises FormatError."""
        return self._reader.finish()

    @property
    def sha256(self) -> Digest | None:
        """Of all that was read, up to now; None unless `open_frames` was told to hash."""
        return self._reader.sha256

    def _delivery(self, piece: Piece, accept: Accept) -> _Delivery | None:
        if piece.start == 0:
            receiver = None if _is_given(piece.member) else accept(piece.member)
            self._current = None if receiver is None else _Delivery(receiver, SerialHash(self._pool))
        return self._current


class _Receiving:
    """Frames under way: first `decompressing`, then `delivering`."""

    def __init__(self, reader: FrameReader, findings: list[AirpatchError] | None, part: ProgressPart) -> None:
        self.bytes = 0
        self._reader = reader
        self._findings = findings
        self._part = part
        self._decompressing: deque[_ReceivedFrame] = deque()
        self._delivering: deque[_ReceivedFrame] = deque()

    def add(self, frame: _ReceivedFrame) -> None:
        self._decompressing.append(frame)
        self.bytes += frame.plan.content
        while self._decompressing and self._decompressing[0].content.done():
            self._deliver()

    def passed(self, plan: FramePlan) -> None:
        """Count a frame whose content is done, or not wanted."""
        self._part.advance(plan.blob_bytes, plan.pieces[0].member.digest)

    def finish_frame(self) -> None:
        """Wait until the oldest frame is done."""
        if not self._delivering:
            self._deliver()
        frame = self._delivering[0]
        for future in frame.delivered:
            self._note(future)
        self._delivering.popleft()
        self._reader.give_back(frame.packed)
        self.bytes -= frame.plan.content
        self.passed(frame.plan)

    def settle(self) -> None:
        """Wait for everything that is running, and start nothing new."""
        for frame in (*self._decompressing, *self._delivering):
            wait([frame.content])
            wait(frame.delivered)

    def _note(self, future: Future[None]) -> None:
        try:
            future.result()
        except AirpatchError as error:
            if self._findings is None:
                raise
            if error not in self._findings:
                self._findings.append(error)

    def _deliver(self) -> None:
        frame = self._decompressing.popleft()
        self._delivering.append(frame)
        try:
            content = frame.content.result()
            position = 0
            for piece, delivery in zip(frame.plan.pieces, frame.deliveries, strict=True):
                length = piece.stop - piece.start
                _take(piece, content[position : position + length], delivery, frame.delivered)
                position += length
        except FormatError as error:
            names = ", ".join(str(p.member.digest or p.member.path) for p in frame.plan.pieces)
            what = f"{error.message} (holds {names:.1000})"
            if self._findings is None:
                raise FormatError(f"{what}; copy it again") from None
            for delivery in filter(None, frame.deliveries):
                delivery.damaged = True
            self._findings.append(FormatError(what))


def _is_given(member: Member) -> bool:
    """Return whether the reader knows the member's content, and compares it."""
    return member.digest is None


def _take(piece: Piece, view: memoryview, delivery: _Delivery | None, delivered: list[Future[None]]) -> None:
    member = piece.member
    records = len(member.header)
    begin, end = max(piece.start, records), min(piece.stop, records + member.size)
    content = view[begin - piece.start : end - piece.start]
    if view[: begin - piece.start] != member.header[piece.start : begin] or any(view[end - piece.start :]):
        raise FormatError(f"the archive has another member where {member.path} belongs")
    if member.content is not None and content != member.content[begin - records : end - records]:
        raise FormatError(f"the archive has other content in {member.path} than its manifests require")
    if delivery is None or delivery.damaged or member.digest is None:
        return
    delivered.append(delivery.hash.update(content, delivery.receiver.write))
    if piece.stop == member.total:
        delivered.append(delivery.hash.check(member.digest, delivery.receiver.complete))
