"""Makes layer patches: for each new blob its sources, the difference, the way to rebuild it, and the proof.

All blobs are sketched; for each new blob the sources are chosen among the base's blobs and the new ones before it, so
that what two blobs share travels once. What is new, and what serves as a source, is unpacked to scratch files. The
patches do not depend on the number of threads. A patch that is not smaller than its blob is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, TypeVar

from airpatch.blobs.content import Content, check_blob, require
from airpatch.blobs.room import require_scratch
from airpatch.blobs.scratch import ScratchFile, ScratchRange, ScratchStore
from airpatch.blobs.stopping import Stoppable
from airpatch.delta.effort import Effort
from airpatch.errors import AirpatchError, IntegrityError
from airpatch.execution import Execution
from airpatch.format.index import Feature, SourceBlob, Step
from airpatch.layers.compression import Compression, size_told
from airpatch.layers.patch_maker import PatchMaker
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.resemblance import LayerPlace, PickedSource, Sketches, SourceCandidates, precedents
from airpatch.layers.uncompressed import UncompressedLayers, kept_layers
from airpatch.layers.unpacking import look, sketches_within
from airpatch.layers.ways import LayerBlob
from airpatch.linux import allow_open_files
from airpatch.log import logger
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.progress import Owners, Share
from airpatch.units import count
from airpatch.worker_pool import worker_pool

_LOG = logger(__name__)
MIN_BLOB = 4 << 10
"""Bytes; smaller blobs travel whole, since a patch has a row in the index and a member of its own."""


@dataclass(slots=True)
class LayerPatches:
    """What a differ made: steps in their order, the sources that no step makes, and the patches as a `Content`."""

    store: ScratchStore
    """Where the patches are kept."""
    steps: list[Step] = field(default_factory=list)
    sources: list[SourceBlob] = field(default_factory=list)
    parts: dict[Digest, ScratchRange] = field(default_factory=dict)
    features: set[Feature] = field(default_factory=set)
    """What the patches ask of a reader."""
    chosen: dict[Digest, list[ChosenSource]] = field(default_factory=dict)

    def size(self, digest: Digest) -> int | None:
        return self.parts[digest].size if digest in self.parts else None

    def open(self, digest: Digest, size: int) -> ScratchRange:
        require(self.size(digest), digest, size, "the layer patches made")
        return self.parts[digest]

    def close(self) -> None:
        """Give up the patches."""
        self.store.close()


class Differ:
    """Makes layer patches out of blobs that `content` has, with what `reader` knows.

    `owners` gives the images of new blobs, for progress.
    """

    def __init__(
        self,
        content: Content,
        execution: Execution,
        effort: Effort = Effort.DEFAULT,
        owners: Owners | None = None,
        reader: ReaderFeatures | None = None,
    ) -> None:
        self._execution = execution.task()
        self._content = Stoppable(content, self._execution.cancellation)
        self._effort = effort
        self._owners = owners
        self._reader = reader
        self._sketches: Sketches[Digest] = sketches_within(self._execution.memory)

    def make(
        self, targets: Sequence[Blob], available: Sequence[Blob], places: Mapping[Digest, LayerPlace] | None = None
    ) -> LayerPatches:
        """Return patches for those of the `targets` that get smaller by one, using blobs that are `available` on every
        target.

        `places` are hints for the choice of sources. Blobs that do not decompress are neither patched nor used. Raises
        IntegrityError if one that is available does not have its digest, TargetError if scratch space runs out, and
        what `content` raises.
        """
        allow_open_files()
        targets = [blob for blob in targets if blob.size >= MIN_BLOB]
        available = [blob for blob in available if blob.size >= MIN_BLOB]
        execution = self._execution
        require_scratch(execution.scratch, self._scratch_needed(targets))
        patches = LayerPatches(ScratchStore(execution.scratch))
        with ExitStack() as stack:
            stack.callback(patches.close)
            with (
                closing(ScratchStore(execution.scratch)) as store,
                worker_pool(execution.threads, execution.cancellation) as pool,
            ):
                self._make(patches, targets, available, places or {}, pool, store)
            stack.pop_all()
        return patches

    def _scratch_needed(self, blobs: Iterable[Blob]) -> int:
        """Estimate how many bytes `blobs` take uncompressed; a defective one is reported when it is read."""
        needed = 0
        for blob in blobs:
            with suppress(AirpatchError), closing(self._content.open(blob.digest, blob.size)) as reader:
                needed += size_told(reader, blob.size)
        return needed

    def _make(
        self,
        patches: LayerPatches,
        targets: Sequence[Blob],
        available: Sequence[Blob],
        places: Mapping[Digest, LayerPlace],
        pool: Executor,
        store: ScratchStore,
    ) -> None:
        execution = self._execution
        uncompressed = kept_layers(
            self._content, execution.scratch, (blob.digest for blob in chain(available, targets)), store
        )
        old, new = self._look_at_all(targets, available, pool, store, uncompressed)
        layers = [*old, *new]
        digests = [each.blob.digest for each in layers]
        with execution.part("making layer patches", sum(map(PatchMaker.work, new)), self._owners) as part:
            candidates = SourceCandidates(
                [self._sketches[digest] for digest in digests],
                [places.get(digest, LayerPlace()) for digest in digests],
                range(len(old), len(layers)),
            )
            maker = PatchMaker(
                self._content, layers, uncompressed, self._effort, execution, candidates.memory, self._reader
            )

            def patch(number: int) -> Step | None:
                target = layers[number]

                known = target.compression is not Compression.ZSTD or bool(maker.frame_encoders(target))

                def like(source: int) -> bool:
                    """A zstd blob of an unknown encoder has decisions like those of zstd blobs only."""
                    return known or layers[source].compression is Compression.ZSTD

                def judge(sources: Sequence[int]) -> Sequence[int]:
                    return maker.compare(target, [layers[source] for source in sources])

                with part.share(maker.work(target), target.blob.digest) as share:
                    sources = candidates.choose(number, like, judge) or candidates.choose(number, lambda _: True, judge)
                    for choice in sources:
                        rivals = count(len(choice.rivals), "other")
                        _LOG.info(
                            "layer %s: source %s has %d of its %d bytes%s", target.blob.digest.short,
                            layers[choice.number].blob.digest.short, choice.explained, target.uncompressed_size,
                            f", and a smaller difference than {rivals}" if choice.rivals else "",
                        )  # fmt: skip
                    listed = candidates.candidates(number, lambda _: True)
                    likeness = [candidates.likeness(number, each) for each in listed]
                    chosen = {listed.index(source.number) for source in sources}
                    others = (layers[listed[each]] for each in precedents(likeness, chosen))
                    further = maker.precedent(target, [layers[source.number] for source in sources], others)
                    if further is not None:
                        sources.append(PickedSource(digests.index(further.blob.digest), 0))
                        _LOG.info(
                            "layer %s: source %s has decisions of its encoder", target.blob.digest.short,
                            further.blob.digest.short,
                        )  # fmt: skip
                    made = maker.patch(target, [layers[source.number] for source in sources], share)
                if made is None:
                    return None
                patches.parts[made.step.patch] = patches.store.keep(made.file)
                patches.features.update(made.features)
                patches.chosen[target.blob.digest] = [
                    ChosenSource(digests[each.number], each.explained, tuple(digests[rival] for rival in each.rivals))
                    for each in sources
                ]
                return made.step

            # The largest come first: one that began last would have a processor to itself while the others idle.
            numbers = range(len(old), len(layers))
            order = sorted(numbers, key=lambda number: -maker.work(layers[number]))
            steps = dict(zip(order, pool.map(patch, order), strict=True))
            patches.steps = [step for number in numbers if (step := steps[number]) is not None]
        patches.sources = sources_outside(patches.steps, {each.blob.digest: each.sizes for each in layers})

    def _look_at_all(
        self,
        targets: Sequence[Blob],
        available: Sequence[Blob],
        pool: Executor,
        store: ScratchStore,
        uncompressed: UncompressedLayers,
    ) -> tuple[list[LayerBlob], list[LayerBlob]]:
        """Return the blobs that every target has, verified, and the new ones, as far as they decompress.

        New ones are kept in the `store`, as `uncompressed` layers.
        """
        # What every target has is hashed, too.
        total = sum(2 * blob.size for blob in available) + sum(blob.size for blob in targets)
        with self._execution.part("looking at layers", total, self._owners) as part:

            def look_at_old(blob: Blob) -> LayerBlob | None:
                with part.share(2 * blob.size, blob.digest) as share:
                    return self._look_verified(blob, share)

            def look_at_new(blob: Blob) -> LayerBlob | None:
                with part.share(blob.size, blob.digest) as share, ExitStack() as stack:
                    file = ScratchFile(self._execution.scratch, str(blob.digest))
                    stack.callback(file.close)
                    layer = self._look(blob, share, file.append)
                    if layer is not None:
                        stack.pop_all()
                        uncompressed.put(blob.digest, store.keep(file))
                    return layer

            looks = pool.map(look_at_old, available), pool.map(look_at_new, targets)  # both have begun
            found = chain.from_iterable(looks)
            layers = {each.blob.digest: each for each in found if each is not None}
        old = [layers[blob.digest] for blob in available if blob.digest in layers]
        new = [layers[blob.digest] for blob in targets if blob.digest in layers]
        return old, in_order(new)

    def _look_verified(self, blob: Blob, share: Share) -> LayerBlob | None:
        """As `_look`, verified: a patch that builds upon a damaged blob would pass the proof, and fail on targets."""
        try:
            check_blob(self._content, blob.digest, blob.size, share.advance)
        except IntegrityError as error:
            message = f"cannot build upon a base that is damaged: {error.message}; find it with 'airpatch verify BASE'"
            raise IntegrityError(message) from None
        return self._look(blob, share)

    def _look(self, blob: Blob, share: Share, take: Callable[[bytes], None] = lambda _piece: None) -> LayerBlob | None:
        """Return what the blob holds, if it decompresses, and keep its sketch. `take` receives the layer."""
        found = look(self._content, blob, self._execution.memory, share.advance, take)
        if found is None:
            return None
        layer, made = found
        self._sketches.put(blob.digest, made)
        return layer


class _Compressed(Protocol):
    @property
    def compression(self) -> Compression: ...


_Layer = TypeVar("_Layer", bound=_Compressed)


def in_order(layers: Iterable[_Layer]) -> list[_Layer]:
    """Return new layers in the order in which they are patched: each may build upon those before it."""
    return sorted(layers, key=lambda each: each.compression is not Compression.ZSTD)


def sources_outside(steps: Sequence[Step], sizes: Mapping[Digest, tuple[int, int]]) -> list[SourceBlob]:
    """Return the sources that none of `steps` makes, in the order of the index. `sizes` are those of the blobs and of
    what they hold.
    """
    digests = {source for step in steps for source in step.sources}.difference(step.digest for step in steps)
    return [SourceBlob(digest, *sizes[digest]) for digest in sorted(digests)]
