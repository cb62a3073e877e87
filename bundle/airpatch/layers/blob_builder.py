"""Carries out single steps: unpack the sources, apply the difference, compress again, compare the digest.

Whatever a layer patch says, a step writes no more than its blob's size, unpacks no more than it declares, and ends in
the blob with the right digest or in an error, which tells a wrong source from a wrong patch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack, closing
from functools import partial

from airpatch.blobs.content import PIECE, BlobReader, Content, SectionReader, check_blob
from airpatch.blobs.receiver import Receiver
from airpatch.blobs.scratch import ScratchFile, ScratchRange, View, release_pages
from airpatch.deflate.emit import emit
from airpatch.deflate.gzip import is_plain_header
from airpatch.delta.decoder import decode
from airpatch.encoders.gzip_layout import build as build_members
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_decisions import emit as emit_frames
from airpatch.encoders.zstd_layout import build as build_frames
from airpatch.encoders.zstd_replicas import frame_encoder, full_block
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, IntegrityError, SourceError
from airpatch.execution import Cancellation
from airpatch.format.index import Step
from airpatch.layers.decision_reader import RELEASE_EVERY, Advance, DecisionReader, counted
from airpatch.layers.frame_decisions import (
    CoversOf,
    FrameDecisions,
    align,
    same_content,
)
from airpatch.layers.recipe import (
    COLUMNS,
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Method,
    Plain,
    Raw,
    Recipe,
    Replay,
    Replica,
    ViewSizes,
    Whole,
    method_name,
    read_header,
    section,
    section_count,
)
from airpatch.layers.step_sources import chosen_sources, same_layer
from airpatch.layers.steps import Sizes
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.layers.work import Work
from airpatch.log import logger
from airpatch.piece_reader import PieceReader
from airpatch.views.description import MAX_DESCRIPTION, parse_view
from airpatch.views.description import View as NestedView
from airpatch.views.expand import expand, largest_view
from airpatch.views.fold import fold

_LOG = logger(__name__)
_REFUSALS = (FormatError, IntegrityError, SourceError)
_STRIDE = 128 << 10
"""Bytes of a layer that are compressed between two moves of the progress: 10 ms of a slow encoder."""

See = Callable[[Sequence[tuple[int, int, int]]], None]
"""Receives which bytes of a target come from where: target offset, position in all sources, length."""


class BlobBuilder:
    """Carries out single steps. For use by many threads."""

    def __init__(
        self,
        sizes: Sizes,
        content: Content,
        uncompressed: UncompressedLayers,
        blocks: Executor | None,
        cancellation: Cancellation,
    ) -> None:
        self._content = content
        self._uncompressed = uncompressed
        self.decisions = DecisionReader(sizes, content, uncompressed, blocks, cancellation)
        self._sizes = sizes
        self._cancellation = cancellation

    def build(self, step: Step, patch: BlobReader, output: Receiver, advance: Advance = lambda _size: None) -> None:
        """Make the blob of `step` from its layer patch; `advance` receives the work done. Raises as `rebuild_blobs`."""
        try:
            self._build(step, patch, output, advance)
        except _REFUSALS as error:
            self._blame_sources(step)
            refusal = next(kind for kind in _REFUSALS if isinstance(error, kind))  # codecs have classes of their own
            raise refusal(f"layer patch of {step.digest}: {error.message}", error.findings) from None
        finally:
            for source in step.sources:
                self._uncompressed.give_back(source)

    def _build(self, step: Step, patch: BlobReader, output: Receiver, advance: Advance) -> None:
        recipe = read_header(patch, step.patch_size)
        _LOG.debug("layer %s: by %s", step.digest.short, method_name(recipe.method))
        hasher = hashlib.sha256()
        size = 0
        for chunk in self._blob(step, patch, recipe, advance):
            if self._cancellation.is_cancelled:
                raise CancelledError
            size += len(chunk)
            if size > step.size:
                raise IntegrityError(f"makes more than the blob's {step.size} bytes")
            hasher.update(chunk)
            output.write(memoryview(chunk))
        if hasher.digest() != step.digest.raw:
            raise IntegrityError(f"makes {size} bytes with the digest sha256:{hasher.hexdigest()}")
        output.complete()

    def _blob(self, step: Step, patch: BlobReader, recipe: Recipe, advance: Advance) -> Iterator[bytes | memoryview]:
        """Yield the blob's bytes, as the recipe makes them."""
        if recipe.views is None and step.expanded:
            raise FormatError("has no view of its sources, of which its index says a size")
        match recipe.method:
            case Whole():
                whole = section(patch, recipe, 0)
                yield from counted(iter(lambda: whole.read(PIECE), b""), advance)
            case Raw():
                with ExitStack() as stack:
                    views = [self.decisions.raw(source, stack, advance).view() for source in step.sources]
                    yield from counted(_apply(section(patch, recipe, 0), views, step.size), advance)
            case Plain():
                yield from self._layer(step, patch, recipe, advance)
            case Replica() as replica:
                with ExitStack() as stack:
                    precedents = [
                        self.decisions.precedent(source, stack, advance)
                        for source in chosen_sources(step, replica.like)
                    ]
                    layer = self._layer(step, patch, recipe, advance)
                    search = Work(step.uncompressed_size).search
                    yield from self.decisions.encode(replica, layer, search, *precedents)
            case Replay(like):
                with ExitStack() as stack:
                    others = [self.decisions.columns(source, stack, advance) for source in chosen_sources(step, like)]
                    yield from self._replay(step, patch, recipe, others, advance)
            case GzipMembers(encoder, like):
                with ExitStack() as stack:
                    others = [
                        self.decisions.member_columns(source, encoder, stack, advance)
                        for source in chosen_sources(step, like)
                    ]
                    made = partial(build_members, encoder, pool=self.decisions.blocks)
                    yield from self._laid_out(step, patch, recipe, made, others, advance)
            case Frames(encoder, like):
                block = full_block(encoder)
                with ExitStack() as stack:
                    others = [
                        self.decisions.frame_columns(source, block, stack, advance)
                        for source in chosen_sources(step, like)
                    ]
                    made = partial(build_frames, frame_encoder(encoder))
                    yield from self._laid_out(step, patch, recipe, made, others, advance)
            case FrameReplay(like):
                with ExitStack() as stack:
                    yield from self._replay_like(step, patch, recipe, like, stack, advance)
            case CorrectedFrames(encoder):
                with ExitStack() as stack:
                    content = self._keep(step, self._layer(step, patch, recipe, advance), stack)
                    whole_layer = ScratchRange(content, 0, content.size)
                    other = self.decisions.replica_frame_decisions(encoder, whole_layer, step.digest, stack)
                    advance(step.uncompressed_size)
                    alignment = align(same_content(content.size), other)
                    yield from self._replay_frames(step, patch, recipe, content, other, alignment)
            case Corrected(replica):
                with ExitStack() as stack:
                    uncompressed = self._layer(step, patch, recipe, advance)
                    search = Work(step.uncompressed_size).search
                    others = [self.decisions.replica_columns(replica, uncompressed, step.digest, stack, search)]
                    yield from self._replay(step, patch, recipe, others, advance)

    def _layer(
        self, step: Step, patch: BlobReader, recipe: Recipe, advance: Advance, see: See = lambda _covers: None
    ) -> Iterator[bytes]:
        """Yield the uncompressed layer out of sources and difference.

        It is kept if a later step wants it and it is certain to be what the blob decompresses to; else that step
        unpacks the blob, which may turn out not to be valid. `see` receives the covers of a difference, unless it is
        one of views.
        """
        with ExitStack() as beside, ExitStack() as stack:
            chunks = self._made_of_sources(step, patch, recipe, advance, see, beside)
            wanted = decompresses_to_layer(recipe.method) and self._uncompressed.wanted(step.digest)
            kept = self._uncompressed.new(step.digest) if wanted else None
            if kept is not None:
                stack.callback(kept.close)
            total = 0
            for chunk in _strides(chunks):
                if total + len(chunk) > step.uncompressed_size:
                    raise FormatError(f"makes more than {step.uncompressed_size} uncompressed bytes")
                if kept is not None:
                    kept.append(chunk)
                total += len(chunk)
                advance(len(chunk))
                yield chunk
            if total != step.uncompressed_size:
                raise FormatError(f"makes {total} uncompressed bytes, not {step.uncompressed_size}")
            stack.pop_all()
            if kept is not None:
                self._uncompressed.put(step.digest, kept)

    def _made_of_sources(
        self, step: Step, patch: BlobReader, recipe: Recipe, advance: Advance, see: See, stack: ExitStack
    ) -> Iterator[bytes]:
        """Return the pieces of the layer, for which sources are unpacked, unless it is one of them; as `_layer`.

        `stack` closes other files.
        """
        same = same_layer(step, patch, recipe, self._sizes)
        if same is not None:
            source, before = step.sources[same], step.sources[:same]
            see([(0, sum(self._sizes[each][1] for each in before), step.uncompressed_size)])
            return self._uncompressed.stream(source, *self._sizes[source], advance)
        views = [self._uncompressed.take(source, *self._sizes[source], advance).view() for source in step.sources]
        if recipe.views is None:
            return _apply(section(patch, recipe, 0), views, step.uncompressed_size, see)
        return self._fold(step, patch, recipe, views, stack)

    def _fold(
        self, step: Step, patch: BlobReader, recipe: Recipe, sources: Sequence[View], stack: ExitStack
    ) -> Iterator[bytes]:
        """Yield the layer out of the difference of the views; that of the sources is a file that `stack` closes."""
        sizes = recipe.views or ViewSizes(0, 0)
        if sizes.sources != step.expanded or sizes.target > largest_view(step.uncompressed_size):
            raise FormatError("has a view that is larger than its index says, or than the uncompressed layer may grow")
        target, source = (
            parse_view(b"".join(decode(section(patch, recipe, number), (), MAX_DESCRIPTION))) for number in (-2, -1)
        )
        if any(coding.encoder for coding in source.codings):
            raise FormatError("has a view of its sources with an encoder, which only the target's needs")
        file = stack.enter_context(closing(self._uncompressed.new(step.digest, step.expanded)))
        self.expand(source, sources, step.expanded, file)
        if file.size != step.expanded:
            raise FormatError(f"has a view of its sources of {file.size} bytes, not {step.expanded}")
        return fold(
            _whole(_apply(section(patch, recipe, 0), [*sources, file.view()], sizes.target), sizes.target),
            target,
            Work(step.uncompressed_size),
        )

    def expand(self, description: NestedView, packed: Sequence[View], limit: int, file: ScratchFile) -> None:
        """Append the view of `packed` to `file`. Raises FormatError if it has more than `limit` bytes."""
        since = 0
        buffer = bytearray()
        for piece in expand(packed, description, limit):
            buffer += piece
            if len(buffer) >= PIECE:
                file.append(buffer)
                buffer.clear()
            since += len(piece)
            if since > RELEASE_EVERY:
                since = 0
                release_pages(packed)
                if self._cancellation.is_cancelled:
                    raise CancelledError
        file.append(buffer)

    def _replay(
        self,
        step: Step,
        patch: BlobReader,
        recipe: Recipe,
        others: Sequence[Sequence[ScratchFile]],
        advance: Advance,
    ) -> Iterator[bytes]:
        """Yield the blob out of its content and its decisions, which differ from those of `others`."""
        streams = self._streams(step, patch, recipe, others, advance)
        yield from emit(*(stream.read for stream in streams))
        _require_end(streams)

    def _laid_out(
        self,
        step: Step,
        patch: BlobReader,
        recipe: Recipe,
        build: Callable[..., Iterator[bytes]],
        others: Sequence[Sequence[ScratchFile]],
        advance: Advance,
    ) -> Iterator[bytes]:
        """Yield the blob that `build` makes of its layout, content and rest, which differ from those of `others`."""
        content, layout, rest = self._streams(step, patch, recipe, others, advance)
        yield from build(layout.read, content.read, rest.read, search=Work(step.uncompressed_size).search)
        _require_end((content, layout, rest))

    def _replay_like(
        self, step: Step, patch: BlobReader, recipe: Recipe, like: Sequence[int], stack: ExitStack, advance: Advance
    ) -> Iterator[bytes]:
        """Yield a zstd blob out of its content and its decisions, which differ from those of a source, if any."""
        if not like:
            content = self._keep(step, self._layer(step, patch, recipe, advance), stack)
            yield from self._replay_frames(step, patch, recipe, content, None, None)
            return
        (source,) = chosen_sources(step, like)
        seen = CoversOf.source(like[0], [self._sizes[each][1] for each in step.sources])
        content = self._keep(step, self._layer(step, patch, recipe, advance, seen.take), stack)
        other = self.decisions.frame_decisions(source, stack, advance)
        yield from self._replay_frames(step, patch, recipe, content, other, align(seen.covers, other))

    def _keep(self, step: Step, chunks: Iterable[bytes], stack: ExitStack) -> ScratchFile:
        """Return a layer in a scratch file, for what reads it when all of its covers are known."""
        file = stack.enter_context(closing(self._uncompressed.new(step.digest, step.uncompressed_size)))
        for chunk in chunks:
            file.append(chunk)
        return file

    def _replay_frames(
        self,
        step: Step,
        patch: BlobReader,
        recipe: Recipe,
        content: ScratchFile,
        other: FrameDecisions | None,
        alignment: Alignment | None,
    ) -> Iterator[bytes]:
        """Yield a zstd blob out of its content and its decisions, which differ from those of the `other`."""
        limit = max_column(step.size) + step.uncompressed_size
        similar = [] if other is None else [other.layout, other.runs]
        columns = [
            PieceReader(_apply(section(patch, recipe, 1 + i), [file.view() for file in similar[i : i + 1]], limit))
            for i in range(COLUMNS)
        ]
        layout, runs, hits, offsets = columns
        uncompressed = PieceReader(content.pieces())
        yield from emit_frames(layout.read, uncompressed.read, runs.read, hits.read, offsets.read, alignment)
        _require_end([uncompressed, *columns])

    def _streams(
        self,
        step: Step,
        patch: BlobReader,
        recipe: Recipe,
        others: Sequence[Sequence[ScratchFile]],
        advance: Advance,
    ) -> list[PieceReader]:
        """Return the uncompressed layer, then all columns, which are differences to those of `others`."""
        limit = max_column(step.size)
        columns = [
            _apply(section(patch, recipe, 1 + i), [other[i].view() for other in others], limit)
            for i in range(section_count(recipe.method) - 1)
        ]
        return [PieceReader(chunks) for chunks in (self._layer(step, patch, recipe, advance), *columns)]

    def _blame_sources(self, step: Step) -> None:
        """Raise BaseMismatch if it is a source that is wrong, and not the patch."""
        wrong = []
        for source in step.sources:
            try:
                check_blob(self._content, source, self._sizes[source][0])
            except AirpatchError as error:
                wrong.append(error.message)
        if wrong:
            raise BaseMismatch(
                "blobs that the patch builds upon are damaged; verify names them all. Bring a full bundle, or have the "
                "sender make a patch with an inventory taken after their removal as its base",
                wrong,
            ) from None


def decompresses_to_layer(method: Method) -> bool:
    """Return whether what the method makes of a layer is certain to decompress to it.

    That is what a replica makes behind the header of one member. Decisions may have a wrong CRC-32, tails may be
    members, and a layer that is its blob may be a gzip file.
    """
    return isinstance(method, Replica) and is_plain_header(method.start)


def max_column(size: int) -> int:
    """Return how many bytes a column of decisions of a blob of `size` bytes may have.

    The shortest match takes 2 bits of a blob and 4 bytes of the column of runs at most; a code length 1 bit and 1 byte.
    """
    return 16 * size + (64 << 10)


def _require_end(streams: Iterable[PieceReader]) -> None:
    for stream in streams:
        if stream.read(1):
            raise FormatError("has decisions or uncompressed bytes left over")


def _whole(view: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the pieces of a view. Raises FormatError if they are not `size` bytes in all."""
    total = 0
    for piece in view:
        total += len(piece)
        yield piece
    if total != size:
        raise FormatError(f"has a view of {total} bytes, not {size}")


def _apply(delta: SectionReader, views: Sequence[View], limit: int, see: See = lambda _covers: None) -> Iterator[bytes]:
    """Yield what `delta` makes of `views`, of which little stays in memory."""
    since = 0
    for chunk in decode(delta, views, limit, see):
        yield chunk
        since += len(chunk)
        if since > RELEASE_EVERY:
            since = 0
            release_pages(views)


def _strides(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at most `_STRIDE`."""
    for chunk in chunks:
        if len(chunk) <= _STRIDE:
            yield chunk
        else:
            yield from (chunk[at : at + _STRIDE] for at in range(0, len(chunk), _STRIDE))
