"""Makes single layer patches, and proves each by carrying it out with the code that will do it on the target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain

from airpatch.blobs.content import BlobReader, Content
from airpatch.blobs.scratch import ScratchFile, ScratchRange
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.errors import FormatError, IntegrityError
from airpatch.execution import Execution
from airpatch.format.index import Feature, Step
from airpatch.layers.blob_builder import BlobBuilder
from airpatch.layers.budget import Budget
from airpatch.layers.compression import Compression
from airpatch.layers.differences import Difference, Differences
from airpatch.layers.frame_decisions import CoversOf
from airpatch.layers.gzip_ways import GzipWays
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import Method, Plain, Raw, ViewSizes, emit_header, method_name
from airpatch.layers.required_features import features
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.layers.ways import LayerBlob, Way, way_size
from airpatch.layers.zstd_ways import ZstdWays, foretells
from airpatch.linux import trim_heap
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.progress import Share
from airpatch.views.survey import MAX_NESTED

_LOG = logger(__name__)
_PIECE, _PIECES = 16 << 10, 64
"""Bytes of a piece of the sample by which sources are compared, and how many these are at most."""
_SMALL = 128 << 10
"""Bytes of a layer of which all is compared, else half of it at most."""
_RAW = 7 / 8
"""How much of a zstd blob its difference may be: without frames that are shared it is nearly all of it."""


@dataclass(frozen=True, slots=True)
class Made:
    """The layer patch of a step, in `file`."""

    step: Step
    file: ScratchFile
    features: frozenset[Feature]


class _NotSmaller(FormatError):
    """A layer patch would not be smaller than its blob."""


class PatchMaker:
    """Makes layer patches out of `layers`, blobs of `content`, in `uncompressed` as they are needed. For use by many
    threads, which share the memory of `execution`.

    `taken` bytes of it are in use already; with a `budget`, that is shared with other makers instead. The patches use
    what `reader` knows.
    """

    def __init__(
        self,
        content: Content,
        layers: Sequence[LayerBlob],
        uncompressed: UncompressedLayers,
        effort: Effort,
        execution: Execution,
        taken: int = 0,
        reader: ReaderFeatures | None = None,
        budget: Budget | None = None,
    ) -> None:
        reader = reader or ReaderFeatures()
        self._content = content
        self._new_file = execution.scratch
        self._effort = effort
        self._budget = budget or Budget(max(execution.memory - taken, 1))
        self._uncompressed = uncompressed
        sizes = {layer.blob.digest: layer.sizes for layer in layers}
        self._builder = BlobBuilder(sizes, content, uncompressed, None, execution.cancellation)
        self._differences = Differences(effort, execution, self._builder, reader)
        self._gzip = GzipWays(content, uncompressed, effort, self._builder.decisions, self._differences, reader)
        self._zstd = ZstdWays(content, uncompressed, self._builder.decisions, self._differences, reader)

    @staticmethod
    def work(target: LayerBlob) -> int:
        """Return the bytes of work for a patch of `target`: its difference is made, and the blob out of that."""
        return target.uncompressed_size + target.blob.size

    def patch(self, target: LayerBlob, sources: Sequence[LayerBlob], share: Share) -> Made | None:
        """Return the first patch that works; None if none is smaller than the blob.

        `share` has the size of `work`.
        """
        made = self._patch(target, sources, share)
        trim_heap(target.uncompressed_size)  # what one patch took is not what the next one needs
        return made

    def _patch(self, target: LayerBlob, sources: Sequence[LayerBlob], share: Share) -> Made | None:
        with self._budget.taken(_memory(target, sources)), ExitStack() as stack:
            new, old = self._uncompressed.of(target), [self._uncompressed.of(source) for source in sources]
            differences: list[Difference] = []
            seen = self._zstd.covers(sources)
            for differ in (self._differences.nested, partial(self._differences.flat, see=seen.take)):
                difference = differ(target.blob.digest, new, old, share, stack)
                if difference is None:
                    continue
                differences.append(difference)
                if difference.size < target.blob.size:  # else no way that needs it is smaller than the blob
                    for method, decisions in self._methods(target, sources, difference.delta.size, stack):
                        made = self._attempt(method, difference, decisions, target, sources, share)
                        if made is not None:
                            return made
            if target.compression is Compression.ZSTD:
                made = self._by_decisions(target, sources, differences, seen, share, stack)
                if made is not None:
                    return made
        _LOG.info("layer %s: whole, since no patch of it is smaller", target.blob.digest.short)
        return None

    def _attempt(
        self,
        method: Method,
        difference: Difference,
        decisions: Sequence[ScratchFile],
        target: LayerBlob,
        sources: Sequence[LayerBlob],
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

    def frame_encoders(self, target: LayerBlob) -> list[str]:
        """Return the encoders that may have written the frames of a zstd blob, the likeliest first."""
        return self._zstd.encoders(target)

    def precedent(
        self, target: LayerBlob, sources: Sequence[LayerBlob], others: Iterable[LayerBlob]
    ) -> LayerBlob | None:
        """Return that of the `others`, the likeliest first, which is to be one more source for the decisions of its
        encoder alone: what these spare takes longer than to unpack it. None if one of the `sources` has them.
        """
        return self._gzip.precedent(target, sources, others)

    def compare(self, target: LayerBlob, sources: Sequence[LayerBlob]) -> list[int]:
        """Return how many bytes a sample of the target takes as a difference to each of the sources alone."""
        costs = []
        with self._budget.taken(_memory(target, sources)):
            view = self._uncompressed.of(target).view()
            sample = b"".join(view[start : start + _PIECE] for start in _sample(len(view)))
            for source in sources:
                old = self._uncompressed.of(source).view()
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
        target: LayerBlob,
        sources: Sequence[LayerBlob],
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
            size, expanded = target.uncompressed_size, difference.expanded
            step = Step(blob.digest, blob.size, size, patch, file.size, digests, expanded)
            with closing(self._content.open(blob.digest, blob.size)) as original:

                def reach(position: int) -> None:
                    share.reach(target.uncompressed_size + position)

                self._builder.build(step, ScratchRange(file, 0, file.size), _Comparison(original, reach))
            stack.pop_all()
        return Made(step, file, frozenset(features(method, difference.codings)))

    def _by_decisions(
        self,
        target: LayerBlob,
        sources: Sequence[LayerBlob],
        differences: Sequence[Difference],
        seen: CoversOf,
        share: Share,
        stack: ExitStack,
    ) -> Made | None:
        """Return the smallest patch of a zstd blob that no replica makes: by decisions, or by frames that others have.

        The last one of the `differences` is of the layers themselves, with the covers `seen`, one before it of their
        views.
        """
        raw = self._raw(target, sources, share, stack)
        flat, has_views = differences[-1], len(differences) > 1
        least = min(differences, key=lambda difference: difference.size)
        if least.size >= target.blob.size:
            return raw
        ways = [
            (flat if foretells(method) else least, method, decisions)
            for method, decisions in self._zstd.by_decisions(target, sources, seen, has_views, stack)
        ]
        for difference, method, decisions in sorted(ways, key=lambda way: way[0].size + way_size(way[1:])):
            if raw is not None and raw.step.patch_size <= difference.size + way_size((method, decisions)):
                break
            made = self._attempt(method, difference, decisions, target, sources, share)
            if made is not None:
                if raw is not None:
                    raw.file.close()
                return made
        return raw

    def _raw(self, target: LayerBlob, sources: Sequence[LayerBlob], share: Share, stack: ExitStack) -> Made | None:
        """Return a patch between zstd blobs as they are: no replica knows the encoder, but frames may be the same."""
        like = [source for source in sources if source.compression is Compression.ZSTD]
        raw = self._zstd.raw_difference(target, like, stack) if like else None
        if raw is not None and raw.size <= _RAW * target.blob.size:
            return self._attempt(Raw(), Difference(raw), (), target, like, share)
        return None

    def _methods(
        self, target: LayerBlob, sources: Sequence[LayerBlob], difference: int, stack: ExitStack
    ) -> Iterator[Way]:
        """Yield ways to rebuild the blob, the best first. `difference` is the size of that of the layers, in bytes."""
        match target.compression:
            case Compression.NONE:
                yield Plain(), ()
            case Compression.ZSTD:
                yield from self._zstd.made_anew(target, sources, stack)
            case Compression.GZIP:
                yield from self._gzip.of(target, sources, difference, stack)


def _sample(size: int) -> range:
    """Return where the pieces of a sample begin: everywhere in what is small, evenly spaced in what is not."""
    return range(0, size, _PIECE if size <= _SMALL else max(2 * _PIECE, size // _PIECES))


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


def _memory(target: LayerBlob, sources: Sequence[LayerBlob]) -> int:
    """Return the memory that making a patch takes, in bytes: zstd, anchors, alignment, mapped files, all else.

    Before that, nested content takes less: `MAX_NESTED`, and descriptions of what is in archives.
    """
    new, old = target.uncompressed_size, sum(source.uncompressed_size for source in sources)
    zstd = 6 * min(new, 16 << 20) + min(new, 64 << 20)
    mapped = max(min(new + old, 64 << 20), min((new + old) // 8, 384 << 20))  # where long stretches are the same
    making = zstd + min(old, 64 << 20) + 4 * min(old, 32 << 20)
    return max(making, min(new + old, 2 * MAX_NESTED)) + mapped + (48 << 20)
