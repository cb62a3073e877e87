"""Makes blobs from layer patches: unpack the sources, apply the difference, compress again, compare the digest.

Steps run on a pool, each when those before it that make its sources are done. Whatever a patch says, a step writes no
more than its blob's size, unpacks no more than it declares, and ends in the blob with the right digest or in
an error, which tells a wrong source from a wrong patch. The first error stops all other steps.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from heapq import nlargest
from itertools import chain
from typing import TypeVar

from airpatch.blobs.content import PIECE, BlobReader, Content, SectionReader, check_blob, pieces
from airpatch.blobs.receiver import Receiver
from airpatch.blobs.scratch import ScratchFile, ScratchRange, View, release_pages
from airpatch.blobs.stopping import Stoppable
from airpatch.deflate.emit import emit
from airpatch.deflate.parse import Parser
from airpatch.delta.decoder import decode as decode
from airpatch.encoders.replicas import deflater
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_decisions import emit as emit_frames
from airpatch.encoders.zstd_layout import build, emit_part
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, IntegrityError, SourceError, located
from airpatch.execution import Cancellation, Execution
from airpatch.format.index import Index, SourceBlob, Step
from airpatch.layers.features import require_features
from airpatch.layers.frame_decisions import (
    CoversOf,
    FrameDecisions,
    align,
    read_decisions,
    replica_frame,
    same_content,
)
from airpatch.layers.frames import split
from airpatch.layers.recipe import (
    COLUMNS,
    FRAME_COLUMNS,
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    Plain,
    Raw,
    Recipe,
    Replay,
    Replica,
    ViewSizes,
    Whole,
    method_name,
    read_header,
    section_count,
)
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.linux import allow_open_files
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.streams import PieceReader
from airpatch.views.description import MAX_DESCRIPTION, parse_view
from airpatch.views.description import View as NestedView
from airpatch.views.expand import expand, largest_view
from airpatch.views.fold import fold

_LOG = logger(__name__)
_Piece = TypeVar("_Piece", bytes, memoryview)
_RELEASE_EVERY = 16 << 20
"""Bytes made of mapped ones, after which their memory is given back: a step maps layers and four columns."""
_PASSED = 1
"""Steps that others may pass while they wait for their sources: what these keep takes scratch space."""


Advance = Callable[[int], None]
"""Is told bytes of work that are done."""
See = Callable[[Sequence[tuple[int, int, int]]], None]
"""Is told which bytes of a target come from where: target offset, position in all sources, length."""


def rebuild_blobs(
    index: Index, steps: Sequence[Step], content: Content, outputs: Callable[[Step], Receiver], execution: Execution
) -> None:
    """Carry out `steps` of `index`, in whose order they are, with the blobs that they need.

    `content` holds the sources, the layer patches by their digests, and each blob that `outputs` has completed.
    Raises BaseMismatch if a source is wrong, FormatError or IntegrityError if a
    patch is, TargetError if there is no room.
    """
    require_features(index)
    allow_open_files()
    jobs = execution.threads
    sizes = sizes_of(index)
    users = Counter(source for step in steps for source in step.sources)
    task = execution.task()
    content = Stoppable(content, task.cancellation)
    uncompressed = UncompressedLayers(content, task.scratch, users)
    with (
        task.part(f"rebuilding layers of {index.release.name}", _work(steps, sizes, content)) as part,
        ThreadPoolExecutor(jobs) as pool,
        ThreadPoolExecutor(jobs) as blocks,
    ):
        builder = Builder(sizes, content, uncompressed, blocks, task.cancellation)

        def run(step: Step) -> None:
            with closing(content.open(step.patch, step.patch_size)) as patch:
                builder.build(step, patch, outputs(step), lambda size: part.advance(size, step.digest))
            _LOG.info("layer %s: rebuilt, %d bytes from a patch of %d", step.digest.short, step.size, step.patch_size)

        try:
            _carry_out(steps, run, pool, jobs)
        finally:
            task.cancellation.cancel()
            pool.shutdown(cancel_futures=True)
            uncompressed.close()


def _work(steps: Sequence[Step], sizes: Sizes, content: Content) -> int:
    """Bytes of work that `steps` take: of layers unpacked, of decisions read, of what is made. Reads the headers."""
    recipes = [_recipe(step, content) for step in steps]
    apart = [step for step, recipe in zip(steps, recipes, strict=True) if not isinstance(recipe.method, Raw | Whole)]
    unpacked = {source for step in apart for source in step.sources}.difference(step.digest for step in apart)
    total = sum(sizes[source][1] for source in unpacked)
    for step, recipe in zip(steps, recipes, strict=True):
        match recipe.method:
            case Whole():
                total += step.size
            case Raw():
                total += step.size + sum(sizes[source][0] for source in step.sources)
            case Plain() | Replica():
                total += step.uncompressed_size
            case Replay(like) | Frames(_, like) | FrameReplay(like):
                total += step.uncompressed_size + sum(sizes[source][0] for source in _chosen(step, like))
            case Corrected() | CorrectedFrames():
                total += 2 * step.uncompressed_size
    return total


def _recipe(step: Step, content: Content) -> Recipe:
    with (
        located(f"layer patch of {step.digest}"),
        closing(content.open(step.patch, step.patch_size)) as patch,
    ):
        recipe = read_header(patch, step.patch_size)
        if isinstance(recipe.method, Replay | Frames | FrameReplay):
            _chosen(step, recipe.method.like)
        return recipe


def _carry_out(steps: Sequence[Step], run: Callable[[Step], None], pool: Executor, jobs: int) -> None:
    """Run `steps` in order, `jobs` at a time; those behind one that waits for its sources need not wait with it."""
    waiting = list(steps)
    unmade = {step.digest for step in steps}
    running: dict[Future[None], Step] = {}
    while waiting or running:
        # Where nothing runs, nobody will make what the first one may lack: it says so.
        while len(running) < jobs and (step := _ready(waiting, unmade if running else frozenset())) is not None:
            waiting.remove(step)
            running[pool.submit(run, step)] = step
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            unmade.remove(running.pop(future).digest)


def _ready(waiting: Sequence[Step], unmade: AbstractSet[Digest]) -> Step | None:
    return next((step for step in waiting[: 1 + _PASSED] if unmade.isdisjoint(step.sources)), None)


def steps_for(index: Index, wanted: Iterable[Digest], there: AbstractSet[Digest]) -> list[Step]:
    """The steps that make the blobs `wanted`, and their sources as far as these are not `there`, in order."""
    needed = set(wanted)
    for step in reversed(index.steps):
        if step.digest in needed:
            needed.update(source for source in step.sources if source not in there)
    return [step for step in index.steps if step.digest in needed]


def scratch_space(index: Index, steps: Sequence[Step], jobs: int) -> int:
    """Bytes that `steps` keep in scratch files at most, `jobs` of them at a time.

    That is what they would keep one after the other, and what all others at work or passed keep for themselves.
    Decisions, which the index does not tell, are taken to be as large as the largest of their blobs.
    """
    sizes = sizes_of(index)
    own = [sum(sizes[source][1] for source in step.sources) + step.uncompressed_size + step.expanded for step in steps]
    decisions = [max((step.size, *(sizes[source][0] for source in step.sources))) for step in steps]
    return _one_by_one(sizes, steps) + sum(nlargest(jobs - 1 + _PASSED, own)) + sum(nlargest(jobs, decisions))


def _one_by_one(sizes: Sizes, steps: Sequence[Step]) -> int:
    """Return the uncompressed bytes that `steps` keep at most, one after the other."""
    last = {source: number for number, step in enumerate(steps) for source in step.sources}
    live = peak = 0
    held: set[Digest] = set()
    for number, step in enumerate(steps):
        for digest in (*step.sources, *((step.digest,) if step.digest in last else ())):
            if digest not in held:
                held.add(digest)
                live += sizes[digest][1]
        peak = max(peak, live + step.expanded)
        for digest in {*step.sources, step.digest}:
            if digest in held and last[digest] <= number:
                held.remove(digest)
                live -= sizes[digest][1]
    return peak


Sizes = Mapping[Digest, tuple[int, int]]
"""For each source its size and its uncompressed size, in bytes."""


def sizes_of(index: Index) -> Sizes:
    """The sizes of all sources of `index`."""
    sources: tuple[SourceBlob | Step, ...] = (*index.sources, *index.steps)
    return {source.digest: (source.size, source.uncompressed_size) for source in sources}


class Builder:
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
        self._blocks = blocks
        self._sizes = sizes
        self._cancellation = cancellation

    def build(self, step: Step, patch: BlobReader, output: Receiver, advance: Advance = lambda _size: None) -> None:
        """Make the blob of `step` from its layer patch; `advance` is told bytes of work. Raises as `rebuild_blobs`."""
        try:
            self._build(step, patch, output, advance)
        except (FormatError, IntegrityError, SourceError) as error:
            self._blame_sources(step)
            raise type(error)(f"layer patch of {step.digest}: {error.message}", error.findings) from None
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
        """The blob's bytes, as the recipe makes them."""
        match recipe.method:
            case Whole():
                whole = section(patch, recipe, 0)
                yield from _counted(iter(lambda: whole.read(PIECE), b""), advance)
            case Raw():
                with ExitStack() as stack:
                    views = [self.raw(source, stack, advance).view() for source in step.sources]
                    yield from _counted(_apply(section(patch, recipe, 0), views, step.size), advance)
            case Plain():
                yield from self._layer(step, patch, recipe, advance)
            case Replica() as replica:
                yield from self.encode(replica, self._layer(step, patch, recipe, advance))
            case Replay(like):
                with ExitStack() as stack:
                    others = [self.columns(source, stack, advance) for source in _chosen(step, like)]
                    yield from self._replay(step, patch, recipe, others, advance)
            case Frames(encoder, like):
                with ExitStack() as stack:
                    others = [self.frame_columns(source, stack, advance) for source in _chosen(step, like)]
                    yield from self._frames(step, patch, recipe, encoder, others, advance)
            case FrameReplay(like):
                with ExitStack() as stack:
                    yield from self._replay_like(step, patch, recipe, like, stack, advance)
            case CorrectedFrames(encoder):
                with ExitStack() as stack:
                    content = self._keep(step, self._layer(step, patch, recipe, advance), stack)
                    other = self.replica_frame_decisions(
                        encoder, ScratchRange(content, 0, content.size), step.digest, stack
                    )
                    advance(step.uncompressed_size)
                    covers = same_content(content.size)
                    yield from self._replay_frames(step, patch, recipe, content, other, align(covers, other))
            case Corrected(replica):
                with ExitStack() as stack:
                    uncompressed = self._layer(step, patch, recipe, advance)
                    others = [self.replica_columns(replica, uncompressed, step.digest, stack)]
                    yield from self._replay(step, patch, recipe, others, advance)

    def _layer(
        self, step: Step, patch: BlobReader, recipe: Recipe, advance: Advance, see: See = lambda _covers: None
    ) -> Iterator[bytes]:
        """Yield the uncompressed layer out of sources and difference; also keep it, if a later step wants it.

        `see` is told the covers of a difference that is not one of views.
        """
        views = [self._uncompressed.take(source, *self._sizes[source], advance).view() for source in step.sources]
        with ExitStack() as beside, ExitStack() as stack:
            if recipe.views is None:
                chunks = _apply(section(patch, recipe, 0), views, step.uncompressed_size, see)
            else:
                chunks = self._fold(step, patch, recipe, views, beside)
            kept = self._uncompressed.new(step.digest) if self._uncompressed.wanted(step.digest) else None
            if kept is not None:
                stack.callback(kept.close)
            total = 0
            for chunk in chunks:
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
        file = stack.enter_context(closing(self._uncompressed.new(step.digest)))
        self.expand(source, sources, step.expanded, file)
        if file.size != step.expanded:
            raise FormatError(f"has a view of its sources of {file.size} bytes, not {step.expanded}")
        return fold(_apply(section(patch, recipe, 0), [*sources, file.view()], sizes.target), target)

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
            if since > _RELEASE_EVERY:
                since = 0
                release_pages(packed)
                if self._cancellation.is_cancelled:
                    raise CancelledError
        file.append(buffer)

    def encode(self, replica: Replica, uncompressed: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the gzip file that the replica makes of the bytes. Raises FormatError if the encoder is unknown."""
        encoder = deflater(replica.encoder, self._blocks)
        yield replica.start
        crc = size = 0
        for chunk in uncompressed:
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            yield encoder.feed(chunk)
        yield encoder.finish()
        yield crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")

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

    def _frames(
        self,
        step: Step,
        patch: BlobReader,
        recipe: Recipe,
        encoder: str,
        others: Sequence[Sequence[ScratchFile]],
        advance: Advance,
    ) -> Iterator[bytes]:
        """Yield the blob out of its content, its layout and its rest, which differ from those of `others`."""
        uncompressed, layout, rest = self._streams(step, patch, recipe, others, advance)
        yield from build(frame_encoder(encoder), layout.read, uncompressed.read, rest.read)
        _require_end((uncompressed, layout, rest))

    def _replay_like(
        self, step: Step, patch: BlobReader, recipe: Recipe, like: Sequence[int], stack: ExitStack, advance: Advance
    ) -> Iterator[bytes]:
        """Yield a zstd blob out of its content and its decisions, which differ from those of a source, if any."""
        if not like:
            content = self._keep(step, self._layer(step, patch, recipe, advance), stack)
            yield from self._replay_frames(step, patch, recipe, content, None, None)
            return
        (source,) = _chosen(step, like)
        seen = CoversOf.source(like[0], [self._sizes[each][1] for each in step.sources])
        content = self._keep(step, self._layer(step, patch, recipe, advance, seen.take), stack)
        other = self.frame_decisions(source, stack, advance)
        yield from self._replay_frames(step, patch, recipe, content, other, align(seen.covers, other))

    def _keep(self, step: Step, chunks: Iterable[bytes], stack: ExitStack) -> ScratchFile:
        """Return a layer in a scratch file, for what reads it when all of its covers are known."""
        file = stack.enter_context(closing(self._uncompressed.new(step.digest)))
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

    def raw(self, blob: Digest, stack: ExitStack, advance: Advance = lambda _size: None) -> ScratchFile:
        """A blob whose sizes are known, as it is, in a scratch file that `stack` closes."""
        size, _ = self._sizes[blob]
        file = stack.enter_context(closing(self._uncompressed.new(blob)))
        with closing(self._content.open(blob, size)) as reader:
            for piece in pieces(reader, size):
                file.append(piece)
                advance(len(piece))
        return file

    def columns(self, blob: Digest, stack: ExitStack, advance: Advance = lambda _size: None) -> list[ScratchFile]:
        """The decisions of a blob whose sizes are known, in scratch files that `stack` closes."""
        size, uncompressed = self._sizes[blob]
        with closing(self._content.open(blob, size)) as reader:
            return self._parse(_counted(pieces(reader, size), advance), uncompressed, blob, stack)

    def frame_columns(self, blob: Digest, stack: ExitStack, advance: Advance = lambda _size: None) -> list[ScratchFile]:
        """The layout and the rest of a zstd blob whose sizes are known, in scratch files that `stack` closes."""
        size, uncompressed = self._sizes[blob]
        layout, rest = (stack.enter_context(closing(self._uncompressed.new(blob))) for _ in range(FRAME_COLUMNS))
        with closing(self._content.open(blob, size)) as reader:
            for part, beside in split(reader, size, uncompressed):
                if self._cancellation.is_cancelled:
                    raise CancelledError
                layout.append(emit_part(part))
                rest.append(beside)
        advance(size)
        return [layout, rest]

    def frame_decisions(
        self,
        blob: Digest,
        stack: ExitStack,
        advance: Advance = lambda _size: None,
        alignment: Alignment | None = None,
    ) -> FrameDecisions:
        """The decisions of a zstd blob whose sizes are known, in scratch files that `stack` closes."""
        size, uncompressed = self._sizes[blob]
        with closing(self._content.open(blob, size)) as reader:
            file = _counted(pieces(reader, size), advance)
            return read_decisions(file, uncompressed, self._new(blob, stack), self._pause, alignment)

    def replica_frame_decisions(
        self, encoder: str, content: ScratchRange, blob: Digest, stack: ExitStack
    ) -> FrameDecisions:
        """The decisions of the frame that a replica makes of `content`, likewise."""
        file = replica_frame(encoder, map(bytes, pieces(content, content.size)), content.size)
        return read_decisions(file, content.size, self._new(blob, stack), self._pause)

    def _new(self, blob: Digest, stack: ExitStack) -> Callable[[], ScratchFile]:
        return lambda: stack.enter_context(closing(self._uncompressed.new(blob)))

    def _pause(self) -> None:
        if self._cancellation.is_cancelled:
            raise CancelledError

    def replica_columns(
        self, replica: Replica, uncompressed: Iterable[bytes], blob: Digest, stack: ExitStack
    ) -> list[ScratchFile]:
        """Return the decisions of the gzip file that the replica makes of `uncompressed`, likewise."""
        return self._parse(self.encode(replica, uncompressed), MAX_BLOB, blob, stack)

    def _parse(
        self, file: Iterable[bytes | memoryview], uncompressed: int, blob: Digest, stack: ExitStack
    ) -> list[ScratchFile]:
        parser = Parser(uncompressed)
        columns = [stack.enter_context(closing(self._uncompressed.new(blob))) for _ in range(COLUMNS)]
        for piece in chain(file, [None]):
            if self._cancellation.is_cancelled:
                raise CancelledError
            for part in parser.close() if piece is None else parser.feed(bytes(piece)):
                for column, data in zip(columns, (part.layout, part.runs, part.sources, part.distances), strict=True):
                    column.append(data)
        return columns

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


def max_column(size: int) -> int:
    """Bytes that a column of decisions of a blob of `size` bytes may have.

    The shortest match takes 2 bits of a blob and 4 bytes of the column of runs at most; a code length 1 bit and 1 byte.
    """
    return 16 * size + (64 << 10)


def _require_end(streams: Iterable[PieceReader]) -> None:
    for stream in streams:
        if stream.read(1):
            raise FormatError("has decisions or uncompressed bytes left over")


def _chosen(step: Step, like: Sequence[int]) -> list[Digest]:
    if any(number >= len(step.sources) for number in like):
        raise FormatError("refers to a source that it does not have")
    return [step.sources[number] for number in like]


def _apply(delta: SectionReader, views: Sequence[View], limit: int, see: See = lambda _covers: None) -> Iterator[bytes]:
    """What `delta` makes of `views`, of which little stays in memory."""
    since = 0
    for chunk in decode(delta, views, limit, see):
        yield chunk
        since += len(chunk)
        if since > _RELEASE_EVERY:
            since = 0
            release_pages(views)


def _counted(pieces: Iterable[_Piece], advance: Advance) -> Iterator[_Piece]:
    """The same pieces; `advance` is told their bytes once they are used."""
    for piece in pieces:
        yield piece
        advance(len(piece))


def section(patch: BlobReader, recipe: Recipe, number: int) -> SectionReader:
    """Return a section of a layer patch, to be read from its beginning."""
    return SectionReader(patch, *recipe.section(number))
