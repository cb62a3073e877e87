"""Ways to rebuild a gzip blob: by the encoder that wrote it, by its decisions, or by an encoder and corrections."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.deflate.gzip import header_size
from airpatch.delta.effort import Effort
from airpatch.encoders.flushed import FILE_END, file_ends_flushed
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import replica as encoder_replica
from airpatch.errors import FormatError
from airpatch.layers.compression import Compression
from airpatch.layers.decision_reader import DecisionReader
from airpatch.layers.differences import Differences
from airpatch.layers.followed_source import START as START_OF_SOURCE
from airpatch.layers.followed_source import is_followed, takes_over, wrote
from airpatch.layers.members import encoders_of_members
from airpatch.layers.nearest_replica import START, nearest_replica
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import Corrected, GzipMembers, Replay, Replica
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.layers.ways import RECOGNISED, LayerBlob, Way, end_of, start_of, way_size
from airpatch.log import logger

_LOG = logger(__name__)
_TOLD = 128 << 10
"""Bytes that do where they leave one encoder: the proof finds out if it is another."""
_ENOUGH = 64 << 10
"""Bytes of their content that do."""
_FURTHER = 16 << 20
"""Uncompressed bytes of a layer for which a source may serve by its decisions alone: the patch names one source more,
and whoever applies it has to unpack that."""
_REPLAY_SHARE = {Effort.FAST: 128, Effort.DEFAULT: 384, Effort.BEST: 1 << 62}
"""Replay comes before a slow replica where its decisions take at most one byte for so many uncompressed bytes."""


class GzipWays:
    """Finds ways to rebuild gzip blobs of `content`. For use by many threads."""

    def __init__(
        self,
        content: Content,
        uncompressed: UncompressedLayers,
        effort: Effort,
        decisions: DecisionReader,
        differences: Differences,
        reader: ReaderFeatures,
    ) -> None:
        self._content = content
        self._uncompressed = uncompressed
        self._effort = effort
        self._decision_reader = decisions
        self._reader = reader
        self._differences = differences

    def of(self, target: LayerBlob, sources: Sequence[LayerBlob], difference: int, stack: ExitStack) -> Iterator[Way]:
        """Yield the ways to rebuild the blob of `target`, the best first.

        A replica takes no decisions, but has to search all matches again. Where that is slow, replay comes first if it
        costs little: its decisions take a third to all of what the `difference` of the layers does, in bytes.
        """
        replay = None
        cheap = target.uncompressed_size // _REPLAY_SHARE[self._effort]
        several = encoders_of_members(start_of(self._content, target, RECOGNISED))
        replicas = self._replicas(target, _TOLD) if several is None else []
        if len(replicas) != 1:
            replicas = self._replicas(target, RECOGNISED)
        names = [each.encoder for each in replicas] if several is None else self._known(several)
        if names and encoder_replica(names[0]).searches_long and difference <= 2 * cheap:
            replay = self._replay(target, sources, stack)
            if replay is not None and way_size(replay) <= cheap:
                yield replay
        if several is None:
            yield from self._made_anew(replicas, target, sources)
            tried, replicas = replicas, self._replicas(target, RECOGNISED)
            yield from self._made_anew([each for each in replicas if each not in tried], target, sources)
        else:
            yield from self._members(names, target, sources, stack)
        recognised = self._recognised(target, RECOGNISED) if several is None else several
        unknown = (name for name in recognised if not self._reader.knows_encoder(name))
        self._reader.miss_encoders(unknown, target.blob.digest)
        ways = (replay or self._replay(target, sources, stack), self._corrected(target, replicas, stack))
        yield from sorted((way for way in ways if way is not None), key=way_size)

    def precedent(
        self, target: LayerBlob, sources: Sequence[LayerBlob], others: Iterable[LayerBlob]
    ) -> LayerBlob | None:
        """Return the first of the `others` that the encoder of `target` wrote, if its decisions are of use.

        None if one of the `sources` has such decisions already, or if a search for them takes little.
        """
        if target.compression is not Compression.GZIP or target.uncompressed_size < _FURTHER:
            return None
        replicas = self._replicas(target, _TOLD)
        if len(replicas) != 1 or not takes_over(replicas[0].encoder):
            return None
        encoder = replicas[0].encoder
        if any(wrote(encoder, start_of(self._content, source, START_OF_SOURCE)) for source in sources):
            return None
        for other in others:
            if wrote(encoder, start_of(self._content, other, START_OF_SOURCE)):
                return other if self._followed(encoder, target, [other]) else None
        return None

    def _made_anew(self, replicas: Iterable[Replica], target: LayerBlob, sources: Sequence[LayerBlob]) -> Iterator[Way]:
        for replica in replicas:
            for like in self._followed(replica.encoder, target, sources):
                yield replace(replica, like=(like,)), ()
            yield replica, ()

    def _members(
        self, names: Iterable[str], target: LayerBlob, sources: Sequence[LayerBlob], stack: ExitStack
    ) -> Iterator[Way]:
        """Yield the encoders that may have made the members; layout and rest as differences to those of the first gzip
        source.
        """
        like = _first_gzip(sources)
        for name in names:
            with suppress(FormatError), ExitStack() as columns:
                others = [self._decision_reader.member_columns(sources[i].blob.digest, name, columns) for i in like]
                own = self._decision_reader.member_columns(target.blob.digest, name, columns)
                way = GzipMembers(name, like), self._differences_of(target, own, others, stack)
            yield way

    def _known(self, names: Iterable[str]) -> list[str]:
        """Return those of the encoders that the reader knows."""
        return [name for name in names if self._reader.knows_encoder(name)]

    def _replicas(self, target: LayerBlob, size: int) -> list[Replica]:
        """Return the replicas that write the first `size` bytes of the blob and that the reader knows, the likeliest
        first.
        """
        names = self._known(self._recognised(target, size))
        start = start_of(self._content, target, size)
        return [Replica(name, start[: header_size(start)]) for name in names]

    def _recognised(self, target: LayerBlob, size: int) -> Sequence[str]:
        """Return the names of all replicas that write the first `size` bytes of the blob."""
        with suppress(FormatError):  # of a header that is longer than the start
            enough = _ENOUGH if size == _TOLD else sys.maxsize
            flushed = file_ends_flushed(end_of(self._content, target, FILE_END))
            names = recognise(start_of(self._content, target, size), flushed=flushed, enough=enough)
            _LOG.debug(
                "layer %s: begins as written by %s", target.blob.digest.short, " or ".join(names) or "no known encoder"
            )
            return names
        return ()

    def _followed(self, encoder: str, target: LayerBlob, sources: Sequence[LayerBlob]) -> list[int]:
        """Return the number of the first source that `encoder` seems to have written, if its decisions are of use."""
        if takes_over(encoder):
            for number, source in enumerate(sources):
                if wrote(encoder, start_of(self._content, source, START_OF_SOURCE)):
                    content, new = self._uncompressed.of(source).view(), self._uncompressed.of(target)
                    pause = self._differences.pause([content])
                    followed = is_followed(memoryview(content), new.pieces(), new.size, pause)
                    return [number] if followed else []
        return []

    def _replay(self, target: LayerBlob, sources: Sequence[LayerBlob], stack: ExitStack) -> Way | None:
        """Return decisions as differences to those of the first source that has some."""
        like = _first_gzip(sources)
        with suppress(FormatError), ExitStack() as columns:
            others = [self._decision_reader.columns(sources[i].blob.digest, columns) for i in like]
            return Replay(like), self._decisions(target, others, stack)
        return None

    def _corrected(self, target: LayerBlob, replicas: Sequence[Replica], stack: ExitStack) -> Way | None:
        """Return decisions as differences to those of the replica that begins like the blob, or comes nearest to it."""
        with suppress(FormatError), ExitStack() as columns:
            replica = replicas[0] if replicas else self._nearest(target)
            if replica is not None:
                layer = self._uncompressed.of(target).pieces()
                others = [self._decision_reader.replica_columns(replica, layer, target.blob.digest, columns)]
                return Corrected(replica), self._decisions(target, others, stack)
        return None

    def _nearest(self, target: LayerBlob) -> Replica | None:
        start = start_of(self._content, target, START)
        name = nearest_replica(start, self._reader.knows_encoder)
        return None if name is None else Replica(name, start[: header_size(start)])

    def _decisions(
        self, target: LayerBlob, others: Sequence[Sequence[ScratchFile]], stack: ExitStack
    ) -> list[ScratchFile]:
        """Return the decisions of the blob, each column as a difference to those of `others`.

        Raises FormatError if the parser does not take the blob, though gunzip has.
        """
        with ExitStack() as columns:
            own = self._decision_reader.columns(target.blob.digest, columns)
            return self._differences_of(target, own, others, stack)

    def _differences_of(
        self,
        target: LayerBlob,
        columns: Iterable[ScratchFile],
        others: Sequence[Sequence[ScratchFile]],
        stack: ExitStack,
    ) -> list[ScratchFile]:
        """Return each of the `columns` of the blob as a difference to those of `others`."""
        differences = []
        for i, column in enumerate(columns):
            difference = self._differences.between(column, [other[i] for other in others], str(target.blob.digest))
            stack.callback(difference.close)
            differences.append(difference)
        return differences


def _first_gzip(sources: Sequence[LayerBlob]) -> tuple[int, ...]:
    """Return the number of the first gzip blob, if there is one."""
    return tuple(i for i, source in enumerate(sources) if source.compression is Compression.GZIP)[:1]
