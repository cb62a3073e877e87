"""Ways to rebuild a zstd blob: by the encoder that wrote its frames, or by the decisions that it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import groupby

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.delta.effort import Effort
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_recognise import nearest_frame_encoders, recognise_frames
from airpatch.encoders.zstd_replicas import full_block
from airpatch.errors import FormatError
from airpatch.layers.compression import Compression
from airpatch.layers.decision_reader import DecisionReader
from airpatch.layers.differences import Differences
from airpatch.layers.frame_decisions import CoversOf, FrameDecisions, align, same_content
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import CorrectedFrames, FrameReplay, Frames, Method
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.layers.ways import RECOGNISED, LayerBlob, Way, start_of
from airpatch.model.digest import Digest

_SHARED = 31 / 32
"""How much of a blob its difference is, where it shares next to nothing with the sources."""


class ZstdWays:
    """Finds ways to rebuild zstd blobs of `content`. For use by many threads."""

    def __init__(
        self,
        content: Content,
        uncompressed: UncompressedLayers,
        decisions: DecisionReader,
        differences: Differences,
        reader: ReaderFeatures,
    ) -> None:
        self._content = content
        self._uncompressed = uncompressed
        self._decision_reader = decisions
        self._reader = reader
        self._differences = differences
        self._encoders: dict[Digest, list[str]] = {}

    def encoders(self, target: LayerBlob) -> list[str]:
        """Return the encoders that may have written the frames of a zstd blob, and that the reader knows, the likeliest
        first.
        """
        return [name for name in self._recognised(target) if self._reader.knows_encoder(name)]

    def _recognised(self, target: LayerBlob) -> list[str]:
        known = self._encoders
        if target.blob.digest not in known:
            known[target.blob.digest] = []
            with suppress(FormatError):
                known[target.blob.digest] = recognise_frames(start_of(self._content, target, RECOGNISED))
        return known[target.blob.digest]

    def made_anew(self, target: LayerBlob, sources: Sequence[LayerBlob], stack: ExitStack) -> Iterator[Way]:
        """Yield the encoders that may be it; layout and rest as differences to those of the first zstd source."""
        like = tuple(i for i, source in enumerate(sources) if source.compression is Compression.ZSTD)[:1]
        for block, encoders in groupby(self.encoders(target), full_block):
            with suppress(FormatError):
                differences = self._frame_columns(target, [sources[i] for i in like], block, stack)
                for encoder in encoders:
                    yield Frames(encoder, like), differences

    def _frame_columns(
        self, target: LayerBlob, sources: Sequence[LayerBlob], block: int | None, stack: ExitStack
    ) -> list[ScratchFile]:
        """Return layout and rest as differences to those of `sources`. Raises FormatError if the blob has none."""
        differences = []
        with ExitStack() as columns:
            others = [self._decision_reader.frame_columns(source.blob.digest, block, columns) for source in sources]
            for i, column in enumerate(self._decision_reader.frame_columns(target.blob.digest, block, columns)):
                difference = self._differences.between(column, [other[i] for other in others], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        return differences

    @staticmethod
    def covers(sources: Sequence[LayerBlob]) -> CoversOf:
        """Return what keeps, of the covers of a difference to `sources`, those of the first zstd blob; of none of them
        if there is no such blob.
        """
        sizes = [source.uncompressed_size for source in sources]
        like = _first_zstd(sources)
        return CoversOf.source(len(sources), [*sizes, 0]) if like is None else CoversOf.source(like, sizes)

    def by_decisions(
        self, target: LayerBlob, sources: Sequence[LayerBlob], seen: CoversOf, has_views: bool, stack: ExitStack
    ) -> list[Way]:
        """Return ways by decisions. `seen` has the covers of the difference of the layers themselves; `has_views` says
        that there is another one, beside which no offsets are foretold from a source.
        """
        unknown = (name for name in self._recognised(target) if not self._reader.knows_encoder(name))
        self._reader.miss_encoders(unknown, target.blob.digest)
        like = _first_zstd(sources)
        beside = None if like is None else self._replay_beside(target, sources, like, seen, stack)
        alone = self._replay(target, stack) if beside is None or has_views else None
        return [way for way in (beside, alone, self._corrected(target, stack)) if way is not None]

    def raw_difference(self, target: LayerBlob, sources: Sequence[LayerBlob], stack: ExitStack) -> ScratchFile | None:
        """Return the difference of the blob as it is to the sources as they are; None if they share next to nothing.

        A first look tells that: compressed bytes would be mixed in vain.
        """
        name = str(target.blob.digest)
        with ExitStack() as blobs:
            new, *old = (self._decision_reader.raw(each.blob.digest, blobs) for each in (target, *sources))
            delta = self._differences.between(new, old, name, effort=Effort.FAST)
            stack.callback(delta.close)
            if delta.size > _SHARED * target.blob.size:
                return None
            if self._differences.effort is not Effort.FAST:
                delta = self._differences.between(new, old, name)
                stack.callback(delta.close)
            return delta

    def _replay_beside(
        self, target: LayerBlob, sources: Sequence[LayerBlob], like: int, seen: CoversOf, stack: ExitStack
    ) -> Way | None:
        """Return decisions as differences to those of a zstd source, which foretells offsets; None if it has none."""
        with suppress(FormatError), ExitStack() as files:
            other = self._decision_reader.frame_decisions(sources[like].blob.digest, files)
            return FrameReplay((like,)), self._decisions(target, other, align(seen.covers, other), stack)
        return None

    def _replay(self, target: LayerBlob, stack: ExitStack) -> Way | None:
        """Return decisions as they are."""
        with suppress(FormatError):
            return FrameReplay(()), self._decisions(target, None, None, stack)
        return None

    def _corrected(self, target: LayerBlob, stack: ExitStack) -> Way | None:
        """Return decisions as differences to those of the replica that begins like the blob, or comes nearest to it."""
        with suppress(FormatError), ExitStack() as files:
            names = self.encoders(target) or nearest_frame_encoders(
                start_of(self._content, target, RECOGNISED), self._reader.knows_encoder
            )
            if names:
                other = self._decision_reader.replica_frame_decisions(
                    names[0], self._uncompressed.of(target), target.blob.digest, files
                )
                alignment = align(same_content(target.uncompressed_size), other)
                return CorrectedFrames(names[0]), self._decisions(target, other, alignment, stack)
        return None

    def _decisions(
        self, target: LayerBlob, other: FrameDecisions | None, alignment: Alignment | None, stack: ExitStack
    ) -> list[ScratchFile]:
        """Return the decisions of a zstd blob as differences; offsets, which are foretold, to nothing."""
        differences = []
        with ExitStack() as files:
            own = self._decision_reader.frame_decisions(
                target.blob.digest, files, alignment=alignment, content=self._uncompressed.of(target)
            )
            similar = [] if other is None else [other.layout, other.runs]
            for i, column in enumerate(own.columns):
                difference = self._differences.between(column, similar[i : i + 1], str(target.blob.digest))
                stack.callback(difference.close)
                differences.append(difference)
        return differences


def _first_zstd(sources: Sequence[LayerBlob]) -> int | None:
    return next((i for i, source in enumerate(sources) if source.compression is Compression.ZSTD), None)


def foretells(method: Method) -> bool:
    """Return whether offsets are foretold from what the difference of the layers themselves covers."""
    return isinstance(method, FrameReplay) and bool(method.like)
