"""Makes single layer patches, and proves each by carrying it out with the code that will do it on the target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import chain

from airpatch.blobs.content import BlobReader, Content, pieces
from airpatch.blobs.scratch import ScratchFile, ScratchRange, View, release_pages
from airpatch.deflate.gzip import header_size
from airpatch.delta.covers import TARS, Members
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import replica as encoder_replica
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.errors import FormatError, IntegrityError
from airpatch.execution import Execution
from airpatch.format.index import Feature, Step
from airpatch.layers.budget import Budget
from airpatch.layers.compression import Compression
from airpatch.layers.features import features
from airpatch.layers.nearest_replica import START, nearest_replica
from airpatch.layers.rebuild import Builder
from airpatch.layers.recipe import (
    FRAME_COLUMNS,
    Corrected,
    Frames,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    ViewSizes,
    emit_header,
    method_name,
)
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.progress import Share
from airpatch.views.choose import choose
from airpatch.views.description import Coding, emit_view

_LOG = logger(__name__)
_RECOGNISED = 1 << 20
"""Bytes of a blob by which its encoder is recognised."""
_REPLAY_SHARE = {Effort.FAST: 128, Effort.DEFAULT: 384, Effort.BEST: 1 << 62}
"""Replay comes before a slow replica where its decisions take at most one byte for so many uncompressed bytes."""
_PIECE, _PIECES = 16 << 10, 64
"""Bytes of a piece of the sample by which sources are compared, and how many these are."""
_RAW = 7 / 8
"""How much of a zstd blob its difference may be: without frames that are shared it is nearly all of it."""
_ALWAYS = 1 << 62
"""Users of a layer that the caller releases."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A blob on the sender's side, and its uncompressed content."""

    blob: Blob
    compression: Compression
    uncompressed: ScratchRange


@dataclass(frozen=True, slots=True)
class Made:
    """The layer patch of a step, in `file`."""

    step: Step
    file: ScratchFile
    features: frozenset[Feature]


@dataclass(frozen=True, slots=True)
class _Difference:
    """What makes a plaintext: the `delta`, of the uncompressed or of views, and then the views' descriptions."""

    delta: ScratchFile
    views: ViewSizes | None = None
    descriptions: Sequence[ScratchFile] = ()
    codings: Sequence[Coding] = ()
    expanded: int = 0
    """Bytes of the view of the sources."""


class _NotSmaller(FormatError):
    """A layer patch would not be smaller than its blob."""


_Way = tuple[Method, Sequence[ScratchFile]]
"""How to rebuild a blob, and the decisions that this takes."""


class Workshop:
    """Makes layer patches out of `unpacked` blobs. For use by many threads, which share the memory of `execution`.

    So many bytes of it are `taken` already.
    """

    def __init__(
        self,
        content: Content,
        unpacked: Sequence[Unpacked],
        effort: Effort,
        execution: Execution,
        taken: int = 0,
    ) -> None:
        self._content = content
        self._new_file = execution.scratch
        self._effort = effort
        self._entries = _index_entries(execution.memory)
        self._budget = Budget(max(execution.memory - taken, 1))
        self._frame_encoders: dict[Digest, list[str]] = {}
        uncompressed = UncompressedLayers(content, execution.scratch, {u.blob.digest: _ALWAYS for u in unpacked})
        for each in unpacked:
            uncompressed.put(each.blob.digest, each.uncompressed)
        sizes = {u.blob.digest: (u.blob.size, u.uncompressed.size) for u in unpacked}
        self._cancellation = execution.cancellation
        self._builder = Builder(sizes, content, uncompressed, None, execution.cancellation)

    @staticmethod
    def work(target: Unpacked) -> int:
        """Bytes of work that a patch of `target` counts: its difference is made, and the blob out of that."""
        return target.uncompressed.size + target.blob.size

    def patch(self, target: Unpacked, sources: Sequence[Unpacked], share: Share) -> Made | None:
        """The first patch that works of those that may; None if the blob as it is is no larger.

        `share` has the size of `work`.
        """
        with self._budget.taken(_memory(target, sources)), ExitStack() as stack:
            if target.compression is Compression.ZSTD and not self.frame_encoders(target):
                return self._raw(target, sources, share, stack)
            for differ in (self._nested, self._flat):
                if (difference := differ(target, sources, share, stack)) is not None:
                    for method, decisions in self._methods(target, sources, difference.delta.size, stack):
                        made = self._attempt(method, difference, decisions, target, sources, share)
                        if made is not None:
                            return made
            if target.compression is Compression.ZSTD:
                return self._raw(target, sources, share, stack)
        _LOG.info("layer %s: whole, since no patch of it is smaller", target.blob.digest.short)
        return None

    def _attempt(
        self,
        method: Method,
        difference: _Difference,
        decisions: Sequence[ScratchFile],
        target: Unpacked,
        sources: Sequence[Unpacked],
        share: Share,
    ) -> Made | None:
        """A patch by `method`; None if it is not smaller than the blob, or does not make it."""
        blob = target.blob
        try:
            made = self._try(method, difference, decisions, target, sources, share)
        except _NotSmaller:
            _LOG.debug("layer %s: %s saves nothing", blob.digest.short, method_name(method))
        except (FormatError, IntegrityError) as error:
            # The encoder was recognised by its beginning alone, or the replica is wrong: another method is tried.
            _LOG.warning("layer %s: %s does not make it: %s", blob.digest.short, method_name(method), error.message)
        else:
            _LOG.info(
                "layer %s: %s, from %s, %d bytes for %d", blob.digest.short, method_name(method),
                ", ".join(source.blob.digest.short for source in sources) or "nothing", made.step.patch_size, blob.size,
            )  # fmt: skip
            return made
        return None

    def frame_encoders(self, target: Unpacked) -> list[str]:
        """The encoders that may have written the frames of a zstd blob, the likeliest first."""
        known = self._frame_encoders
        if target.blob.digest not in known:
            known[target.blob.digest] = []
            with suppress(FormatError):
                known[target.blob.digest] = recognise_frames(self._start(target, _RECOGNISED))
        return known[target.blob.digest]

    def _flat(self, target: Unpacked, sources: Sequence[Unpacked], share: Share, stack: ExitStack) -> _Difference:
        """The difference of uncompressed as they are."""
        old = [source.uncompressed for source in sources]
        delta = self._difference(target.uncompressed, old, str(target.blob.digest), share.reach)
        stack.callback(delta.close)
        return _Difference(delta)

    def _nested(
        self, target: Unpacked, sources: Sequence[Unpacked], share: Share, stack: ExitStack
    ) -> _Difference | None:
        """The difference of uncompressed with their nested content expanded; None where none has changed."""
        name = str(target.blob.digest)
        old = [source.uncompressed for source in sources]
        packed, others = target.uncompressed.view(), [source.view() for source in old]
        views = choose(memoryview(packed), [memoryview(other) for other in others], self._pause([packed, *others]))
        if views is None:
            return None
        with ExitStack() as expanded:
            new, beside = (expanded.enter_context(closing(ScratchFile(self._new_file, name))) for _ in range(2))
            self._builder.expand(views.target, [packed], views.target_size, new)
            self._builder.expand(views.source, others, views.source_size, beside)
            members = Members(views.target_members, [*(None for _ in old), views.source_members])

            def reach(position: int) -> None:
                share.reach(position * target.uncompressed.size // views.target_size)

            delta = self._difference(new, [*old, beside], name, reach, members)
            stack.callback(delta.close)
        descriptions = []
        for view in (views.target, views.source):
            description = ScratchFile(self._new_file, name)
            stack.callback(description.close)
            for chunk in encode(emit_view(view), (), self._effort):
                description.append(chunk)
            descriptions.append(description)
        sizes = ViewSizes(views.target_size, views.source_size)
        codings = (*views.target.codings, *views.source.codings)
        return _Difference(delta, sizes, descriptions, codings, views.source_size)

    def compare(self, target: Unpacked, sources: Sequence[Unpacked]) -> list[int]:
        """Bytes that a sample of the target takes as a difference to each of the sources alone."""
        costs = []
        with self._budget.taken(_memory(target, sources)):
            view = target.uncompressed.view()
            sample = b"".join(view[start : start + _PIECE] for start in _sample(len(view)))
            for source in sources:
                old = source.uncompressed.view()
                chunks = encode(sample, [old], Effort.FAST, self._entries, self._pause((view, old)))
                costs.append(sum(map(len, chunks)))
        return costs

    def _pause(self, views: Sequence[View]) -> Callable[[], None]:
        """What long work calls now and then: it ends if it is stopped, and gives back the memory of mapped bytes."""

        def pause() -> None:
            if self._cancellation.is_cancelled:
                raise CancelledError
            release_pages(views)

        return pause

    def _try(
        self,
        method: Method,
        difference: _Difference,
        decisions: Sequence[ScratchFile],
        target: Unpacked,
        sources: Sequence[Unpacked],
        share: Share,
    ) -> Made:
        """A patch that works and is smaller than the blob. Raises FormatError or IntegrityError if there is none."""
        blob = target.blob
        with ExitStack() as stack:
            file = ScratchFile(self._new_file, str(blob.digest))
            stack.callback(file.close)
            sections = [difference.delta, *decisions, *difference.descriptions]
            patch = _assemble(method, sections, difference.views, file)
            if file.size >= blob.size:
                raise _NotSmaller("a layer patch that is not smaller than its blob")
            digests = tuple(source.blob.digest for source in sources)
            size, expanded = target.uncompressed.size, difference.expanded
            step = Step(blob.digest, blob.size, size, patch, file.size, digests, expanded)
            with closing(self._content.open(blob.digest, blob.size)) as original:

                def reach(position: int) -> None:
                    share.reach(target.uncompressed.size + position)

                self._builder.build(step, ScratchRange(file, 0, file.size), _Comparison(original, reach))
            stack.pop_all()
        return Made(step, file, frozenset(features(method, difference.codings)))

    def _raw(self, target: Unpacked, sources: Sequence[Unpacked], share: Share, stack: ExitStack) -> Made | None:
        """A patch between zstd blobs as they are: no replica knows the encoder, but frames may be the same."""
        like = [source for source in sources if source.compression is Compression.ZSTD]
        raw = self._raw_difference(target, like, stack) if like else None
        if raw is not None and raw.size <= _RAW * target.blob.size:
            return self._attempt(Raw(), _Difference(raw), (), target, like, share)
        _LOG.info("layer %s: whole, since no zstd layer has frames of it", target.blob.digest.short)
        return None

    def _raw_difference(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> ScratchFile:
        with ExitStack() as blobs:
            new, *old = (self._builder.raw(each.blob.digest, blobs) for each in (target, *sources))
            delta = self._difference(new, old, str(target.blob.digest))
            stack.callback(delta.close)
            return delta

    def _difference(
        self,
        target: ScratchFile | ScratchRange,
        sources: Sequence[ScratchFile | ScratchRange],
        name: str,
        reach: Callable[[int], None] = lambda _position: None,
        members: Members = TARS,
    ) -> ScratchFile:
        """Return the difference of a layer, or of a column of decisions, to those of the sources.

        `reach` is told how many bytes of the target are described.
        """
        view = target.view()
        views = [source.view() for source in sources]
        pause = self._pause((view, *views))
        with ExitStack() as stack:
            delta = ScratchFile(self._new_file, name)
            stack.callback(delta.close)
            for chunk in encode(view, views, self._effort, self._entries, pause, members, reach=reach):
                delta.append(chunk)
            stack.pop_all()
        return delta

    def _methods(
        self, target: Unpacked, sources: Sequence[Unpacked], difference: int, stack: ExitStack
    ) -> Iterator[_Way]:
        """Ways to rebuild the blob, the best first, with the decisions that each takes.

        A replica takes none, but has to search all matches again. Where that is slow, replay comes first if it costs
        little: its decisions take a third to all of what the `difference` of the layers does.
        """
        if target.compression is Compression.NONE:
            yield Plain(), ()
            return
        if target.compression is Compression.ZSTD:
            yield from self._frames(target, sources, stack)
            return
        replay = None
        cheap = target.uncompressed.size // _REPLAY_SHARE[self._effort]
        replicas = self._replicas(target)
        if replicas and encoder_replica(replicas[0].encoder).searches_long and difference <= 2 * cheap:
            replay = self._replay(target, sources, stack)
            if replay is not None and _size(replay) <= cheap:
                yield replay
        for replica in replicas:
            yield replica, ()
        ways = (replay or self._replay(target, sources, stack), self._corrected(target, replicas, stack))
        yield from sorted((way for way in ways if way is not None), key=_size)

    def _frames(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> Iterator[_Way]:
        """The encoders of zstd that may be it; layout and rest as differences to those of the first zstd source."""
        like = tuple(i for i, source in enumerate(sources) if source.compression is Compression.ZSTD)[:1]
        differences = []
        with suppress(FormatError), ExitStack() as columns:
            others = [self._builder.frame_columns(sources[i].blob.digest, columns) for i in like]
            for i, column in enumerate(self._builder.frame_columns(target.blob.digest, columns)):
                difference = self._difference(column, [other[i] for other in others], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        if len(differences) == FRAME_COLUMNS:
            for encoder in self.frame_encoders(target):
                yield Frames(encoder, like), differences

    def _replicas(self, target: Unpacked) -> list[Replica]:
        start = self._start(target, _RECOGNISED)
        with suppress(FormatError):  # of a header that is longer than the start
            names = recognise(start)
            _LOG.debug(
                "layer %s: begins as %s write it", target.blob.digest.short, ", ".join(names) or "no replica does"
            )
            return [Replica(name, start[: header_size(start)]) for name in names]
        return []

    def _replay(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> _Way | None:
        """Decisions as differences to those of the first source that has some."""
        like = tuple(i for i, s in enumerate(sources) if s.compression is Compression.GZIP)[:1]
        with suppress(FormatError), ExitStack() as columns:
            others = [self._builder.columns(sources[i].blob.digest, columns) for i in like]
            return Replay(like), self._decisions(target, others, stack)
        return None

    def _corrected(self, target: Unpacked, replicas: Sequence[Replica], stack: ExitStack) -> _Way | None:
        """Decisions as differences to those of the replica that begins as the blob does, or comes nearest to it."""
        with suppress(FormatError), ExitStack() as columns:
            replica = replicas[0] if replicas else self._nearest(target)
            if replica is not None:
                uncompressed = map(bytes, pieces(target.uncompressed, target.uncompressed.size))
                others = [self._builder.replica_columns(replica, uncompressed, target.blob.digest, columns)]
                return Corrected(replica), self._decisions(target, others, stack)
        return None

    def _nearest(self, target: Unpacked) -> Replica | None:
        start = self._start(target, START)
        name = nearest_replica(start)
        return None if name is None else Replica(name, start[: header_size(start)])

    def _start(self, target: Unpacked, size: int) -> bytes:
        start = bytearray(min(size, target.blob.size))
        with closing(self._content.open(target.blob.digest, target.blob.size)) as reader:
            reader.read_into(memoryview(start), 0)
        return bytes(start)

    def _decisions(
        self, target: Unpacked, others: Sequence[Sequence[ScratchFile]], stack: ExitStack
    ) -> list[ScratchFile]:
        """The decisions of the blob, each column as a difference to those of `others`.

        Raises FormatError if the parser does not take the blob, though gunzip has.
        """
        differences = []
        with ExitStack() as columns:
            for i, column in enumerate(self._builder.columns(target.blob.digest, columns)):
                difference = self._difference(column, [other[i] for other in others], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        return differences


def _sample(size: int) -> range:
    """Where the pieces of a sample begin: everywhere in what is small, evenly spaced in what is not."""
    return range(0, size, max(_PIECE, size // _PIECES))


def _size(way: _Way) -> int:
    return sum(file.size for file in way[1])


def _assemble(method: Method, sections: Sequence[ScratchFile], views: ViewSizes | None, file: ScratchFile) -> Digest:
    """Write the layer patch into `file`; returns its digest."""
    hasher = hashlib.sha256()
    header = emit_header(method, tuple(section.size for section in sections), views)
    for piece in chain([header], *(section.pieces() for section in sections)):
        hasher.update(piece)
        file.append(piece)
    return Digest(hasher.digest())


class _Comparison:
    """An output that is compared with the blob that it should be, so that a wrong encoder is found out at once."""

    def __init__(self, original: BlobReader, reach: Callable[[int], None]) -> None:
        self._original = original
        self._reach = reach
        self._position = 0

    def write(self, piece: memoryview) -> None:
        expected = bytearray(len(piece))
        self._original.read_into(memoryview(expected), self._position)
        if expected != piece:
            raise IntegrityError("makes other bytes than those of the blob")
        self._position += len(piece)
        self._reach(self._position)

    def complete(self) -> None:
        """Do nothing: the builder has compared size and digest."""


def _index_entries(memory: int) -> int:
    """Entries of the index of anchors, 8 bytes each: a 16th of the memory. It decides about the patch's bytes."""
    return 1 << max(16, min(24, (memory // 16 // 8).bit_length() - 1))


def _memory(target: Unpacked, sources: Sequence[Unpacked]) -> int:
    """Bytes that the making of a patch takes: zstd, the index of anchors, alignment, mapped files, all else."""
    new, old = target.uncompressed.size, sum(source.uncompressed.size for source in sources)
    zstd = 6 * min(new, 16 << 20) + min(new, 64 << 20)
    mapped = max(min(new + old, 64 << 20), min((new + old) // 8, 384 << 20))  # where long stretches are the same
    return zstd + min(old, 64 << 20) + 4 * min(old, 32 << 20) + mapped + (48 << 20)
