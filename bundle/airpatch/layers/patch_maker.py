"""Makes single layer patches, and proves each by carrying it out with the code that will do it on the target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import chain

from airpatch.blobs.content import BlobReader, Content, SectionReader, pieces
from airpatch.blobs.scratch import ScratchFile, ScratchRange
from airpatch.deflate.gzip import header_size
from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import replica as encoder_replica
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_recognise import nearest_frame_encoders, recognise_frames
from airpatch.errors import FormatError, IntegrityError
from airpatch.execution import Execution
from airpatch.format.index import Feature, Step
from airpatch.layers.blob_builder import BlobBuilder
from airpatch.layers.budget import Budget
from airpatch.layers.compression import Compression
from airpatch.layers.differences import Difference, Differences
from airpatch.layers.followed_source import START as START_OF_SOURCE
from airpatch.layers.followed_source import is_followed, takes_over, wrote
from airpatch.layers.frame_decisions import CoversOf, FrameDecisions, align, same_content
from airpatch.layers.nearest_replica import START, nearest_replica
from airpatch.layers.recipe import (
    FRAME_COLUMNS,
    Corrected,
    CorrectedFrames,
    FrameReplay,
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
from airpatch.layers.required_features import features
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.progress import Share
from airpatch.views.survey import MAX_NESTED

_LOG = logger(__name__)
_RECOGNISED = 1 << 20
"""Bytes of a blob by which its encoder is recognised."""
_TOLD = 128 << 10
"""Bytes that do where they leave one encoder: the proof finds out if it is another."""
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


class _NotSmaller(FormatError):
    """A layer patch would not be smaller than its blob."""


_Way = tuple[Method, Sequence[ScratchFile]]
"""How to rebuild a blob, and the decisions that this takes."""


class PatchMaker:
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
        self._budget = Budget(max(execution.memory - taken, 1))
        self._frame_encoders: dict[Digest, list[str]] = {}
        uncompressed = UncompressedLayers(content, execution.scratch, {u.blob.digest: _ALWAYS for u in unpacked})
        for each in unpacked:
            uncompressed.put(each.blob.digest, each.uncompressed)
        sizes = {u.blob.digest: (u.blob.size, u.uncompressed.size) for u in unpacked}
        self._cancellation = execution.cancellation
        self._builder = BlobBuilder(sizes, content, uncompressed, None, execution.cancellation)
        self._differences = Differences(effort, execution, self._builder)

    @staticmethod
    def work(target: Unpacked) -> int:
        """Return the bytes of work for a patch of `target`: its difference is made, and the blob out of that."""
        return target.uncompressed.size + target.blob.size

    def patch(self, target: Unpacked, sources: Sequence[Unpacked], share: Share) -> Made | None:
        """Return the first patch that works of those that may; None if the blob as it is is no larger.

        `share` has the size of `work`.
        """
        with self._budget.taken(_memory(target, sources)), ExitStack() as stack:
            old = [source.uncompressed for source in sources]
            # Decisions of zstd files are foretold by a difference of the layers themselves.
            unknown = target.compression is Compression.ZSTD and not self.frame_encoders(target)
            for differ in (self._differences.flat,) if unknown else (self._differences.nested, self._differences.flat):
                difference = differ(str(target.blob.digest), target.uncompressed, old, share, stack)
                if difference is not None:
                    for method, decisions in self._methods(target, sources, difference.delta.size, stack):
                        made = self._attempt(method, difference, decisions, target, sources, share)
                        if made is not None:
                            return made
            if target.compression is Compression.ZSTD and difference is not None:
                made = self._by_decisions(target, sources, difference, share, stack)
                if made is not None:
                    return made
        _LOG.info("layer %s: whole, since no patch of it is smaller", target.blob.digest.short)
        return None

    def _attempt(
        self,
        method: Method,
        difference: Difference,
        decisions: Sequence[ScratchFile],
        target: Unpacked,
        sources: Sequence[Unpacked],
        share: Share,
    ) -> Made | None:
        """Return a patch by `method`; None if it is not smaller than the blob, or does not make it."""
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
        """Return the encoders that may have written the frames of a zstd blob, the likeliest first."""
        known = self._frame_encoders
        if target.blob.digest not in known:
            known[target.blob.digest] = []
            with suppress(FormatError):
                known[target.blob.digest] = recognise_frames(self._start(target, _RECOGNISED))
        return known[target.blob.digest]

    def compare(self, target: Unpacked, sources: Sequence[Unpacked]) -> list[int]:
        """Return how many bytes a sample of the target takes as a difference to each of the sources alone."""
        costs = []
        with self._budget.taken(_memory(target, sources)):
            view = target.uncompressed.view()
            sample = b"".join(view[start : start + _PIECE] for start in _sample(len(view)))
            for source in sources:
                old = source.uncompressed.view()
                chunks = encode(
                    sample, [old], Effort.FAST, self._differences.entries, self._differences.pause((view, old))
                )
                costs.append(sum(map(len, chunks)))
        return costs

    def _try(
        self,
        method: Method,
        difference: Difference,
        decisions: Sequence[ScratchFile],
        target: Unpacked,
        sources: Sequence[Unpacked],
        share: Share,
    ) -> Made:
        """Return a patch that works and is smaller than the blob. Raises FormatError or IntegrityError if none does."""
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

    def _by_decisions(
        self, target: Unpacked, sources: Sequence[Unpacked], difference: Difference, share: Share, stack: ExitStack
    ) -> Made | None:
        """Return the smallest patch of a zstd blob that no replica makes: by decisions, or by frames that others have.

        The `difference` is one of the layers themselves.
        """
        raw = self._raw(target, sources, share, stack)
        ways = [self._frame_replay(target, sources, difference, stack), self._corrected_frames(target, stack)]
        for way in sorted((way for way in ways if way is not None), key=_size):
            if raw is not None and raw.step.patch_size <= difference.delta.size + _size(way):
                break
            made = self._attempt(way[0], difference, way[1], target, sources, share)
            if made is not None:
                if raw is not None:
                    raw.file.close()
                return made
        return raw

    def _frame_replay(
        self, target: Unpacked, sources: Sequence[Unpacked], difference: Difference, stack: ExitStack
    ) -> _Way | None:
        """Return decisions as differences to those of the first zstd source, or to nothing."""
        like = tuple(i for i, source in enumerate(sources) if source.compression is Compression.ZSTD)[:1]
        for chosen in (like, ()) if like else ((),):
            with suppress(FormatError), ExitStack() as files:
                other = alignment = None
                if chosen:
                    seen = CoversOf.source(chosen[0], [source.uncompressed.size for source in sources])
                    delta = SectionReader(
                        ScratchRange(difference.delta, 0, difference.delta.size), 0, difference.delta.size
                    )
                    views = [source.uncompressed.view() for source in sources]
                    for _ in decode(delta, views, target.uncompressed.size, seen.take):
                        self._differences.pause(views)
                    other = self._builder.frame_decisions(sources[chosen[0]].blob.digest, files)
                    alignment = align(seen.covers, other)
                return FrameReplay(chosen), self._frame_decisions(target, other, alignment, stack)
        return None

    def _corrected_frames(self, target: Unpacked, stack: ExitStack) -> _Way | None:
        """Return decisions as differences to those of the replica that begins like the blob, or comes nearest to it."""
        with suppress(FormatError), ExitStack() as files:
            names = self.frame_encoders(target) or nearest_frame_encoders(self._start(target, _RECOGNISED))
            if names:
                other = self._builder.replica_frame_decisions(names[0], target.uncompressed, target.blob.digest, files)
                alignment = align(same_content(target.uncompressed.size), other)
                return CorrectedFrames(names[0]), self._frame_decisions(target, other, alignment, stack)
        return None

    def _frame_decisions(
        self, target: Unpacked, other: FrameDecisions | None, alignment: Alignment | None, stack: ExitStack
    ) -> list[ScratchFile]:
        """Return the decisions of a zstd blob as differences; offsets, which the alignment foretells, to nothing."""
        differences = []
        with ExitStack() as files:
            own = self._builder.frame_decisions(target.blob.digest, files, alignment=alignment)
            similar = [] if other is None else [other.layout, other.runs]
            for i, column in enumerate(own.columns):
                difference = self._differences.between(column, similar[i : i + 1], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        return differences

    def _raw(self, target: Unpacked, sources: Sequence[Unpacked], share: Share, stack: ExitStack) -> Made | None:
        """Return a patch between zstd blobs as they are: no replica knows the encoder, but frames may be the same."""
        like = [source for source in sources if source.compression is Compression.ZSTD]
        raw = self._raw_difference(target, like, stack) if like else None
        if raw is not None and raw.size <= _RAW * target.blob.size:
            return self._attempt(Raw(), Difference(raw), (), target, like, share)
        return None

    def _raw_difference(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> ScratchFile:
        with ExitStack() as blobs:
            new, *old = (self._builder.raw(each.blob.digest, blobs) for each in (target, *sources))
            delta = self._differences.between(new, old, str(target.blob.digest))
            stack.callback(delta.close)
            return delta

    def _methods(
        self, target: Unpacked, sources: Sequence[Unpacked], difference: int, stack: ExitStack
    ) -> Iterator[_Way]:
        """Yield ways to rebuild the blob, the best first, with the decisions that each takes.

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
        replicas = self._replicas(target, _TOLD)
        if len(replicas) != 1:
            replicas = self._replicas(target, _RECOGNISED)
        if replicas and encoder_replica(replicas[0].encoder).searches_long and difference <= 2 * cheap:
            replay = self._replay(target, sources, stack)
            if replay is not None and _size(replay) <= cheap:
                yield replay
        yield from self._made_anew(replicas, target, sources)
        tried, replicas = replicas, self._replicas(target, _RECOGNISED)
        yield from self._made_anew([each for each in replicas if each not in tried], target, sources)
        ways = (replay or self._replay(target, sources, stack), self._corrected(target, replicas, stack))
        yield from sorted((way for way in ways if way is not None), key=_size)

    def _frames(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> Iterator[_Way]:
        """Yield the zstd encoders that may be it; layout and rest as differences to those of the first zstd source."""
        like = tuple(i for i, source in enumerate(sources) if source.compression is Compression.ZSTD)[:1]
        differences = []
        with suppress(FormatError), ExitStack() as columns:
            others = [self._builder.frame_columns(sources[i].blob.digest, columns) for i in like]
            for i, column in enumerate(self._builder.frame_columns(target.blob.digest, columns)):
                difference = self._differences.between(column, [other[i] for other in others], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        if len(differences) == FRAME_COLUMNS:
            for encoder in self.frame_encoders(target):
                yield Frames(encoder, like), differences

    def _made_anew(self, replicas: Iterable[Replica], target: Unpacked, sources: Sequence[Unpacked]) -> Iterator[_Way]:
        for replica in replicas:
            for like in self._followed(replica.encoder, target, sources):
                yield replace(replica, like=(like,)), ()
            yield replica, ()

    def _replicas(self, target: Unpacked, size: int) -> list[Replica]:
        """Return the replicas that write the first `size` bytes of the blob, the likeliest first."""
        start = self._start(target, size)
        with suppress(FormatError):  # of a header that is longer than the start
            names = recognise(start)
            _LOG.debug(
                "layer %s: begins as %s write it", target.blob.digest.short, ", ".join(names) or "no replica does"
            )
            return [Replica(name, start[: header_size(start)]) for name in names]
        return []

    def _followed(self, encoder: str, target: Unpacked, sources: Sequence[Unpacked]) -> list[int]:
        """Return the number of the first source that `encoder` seems to have written, if its decisions are of use."""
        if takes_over(encoder):
            for number, source in enumerate(sources):
                if wrote(encoder, self._start(source, START_OF_SOURCE)):
                    content, size = source.uncompressed.view(), target.uncompressed.size
                    pause = self._differences.pause([content])
                    followed = is_followed(memoryview(content), pieces(target.uncompressed, size), size, pause)
                    return [number] if followed else []
        return []

    def _replay(self, target: Unpacked, sources: Sequence[Unpacked], stack: ExitStack) -> _Way | None:
        """Return decisions as differences to those of the first source that has some."""
        like = tuple(i for i, s in enumerate(sources) if s.compression is Compression.GZIP)[:1]
        with suppress(FormatError), ExitStack() as columns:
            others = [self._builder.columns(sources[i].blob.digest, columns) for i in like]
            return Replay(like), self._decisions(target, others, stack)
        return None

    def _corrected(self, target: Unpacked, replicas: Sequence[Replica], stack: ExitStack) -> _Way | None:
        """Return decisions as differences to those of the replica that begins like the blob, or comes nearest to it."""
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
        """Return the decisions of the blob, each column as a difference to those of `others`.

        Raises FormatError if the parser does not take the blob, though gunzip has.
        """
        differences = []
        with ExitStack() as columns:
            for i, column in enumerate(self._builder.columns(target.blob.digest, columns)):
                difference = self._differences.between(column, [other[i] for other in others], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        return differences


def _sample(size: int) -> range:
    """Return where the pieces of a sample begin: everywhere in what is small, evenly spaced in what is not."""
    return range(0, size, max(_PIECE, size // _PIECES))


def _size(way: _Way) -> int:
    return sum(file.size for file in way[1])


def _assemble(method: Method, sections: Sequence[ScratchFile], views: ViewSizes | None, file: ScratchFile) -> Digest:
    """Write the layer patch into `file`; return its digest."""
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


def _memory(target: Unpacked, sources: Sequence[Unpacked]) -> int:
    """Return the memory that making a patch takes, in bytes: zstd, anchors, alignment, mapped files, all else.

    Before that, nested content takes less: `MAX_NESTED`, and descriptions of what is in archives.
    """
    new, old = target.uncompressed.size, sum(source.uncompressed.size for source in sources)
    zstd = 6 * min(new, 16 << 20) + min(new, 64 << 20)
    mapped = max(min(new + old, 64 << 20), min((new + old) // 8, 384 << 20))  # where long stretches are the same
    making = zstd + min(old, 64 << 20) + 4 * min(old, 32 << 20)
    return max(making, min(new + old, 2 * MAX_NESTED)) + mapped + (48 << 20)
