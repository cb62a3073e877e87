"""Makes blobs from layer patches: unpack the sources, apply the difference, compress again, compare the digest.

Steps run on a pool, each when those before it that make its sources are done. Whatever a patch says, a step writes no
more than its blob's size, takes no more plaintext than it declares, and ends in the blob with the right digest or in
an error, which tells a wrong source from a wrong patch. The first error stops all other steps.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from heapq import nlargest
from itertools import chain

from airpatch.blobs.content import PIECE, BlobReader, Content, check_blob, pieces
from airpatch.blobs.receiver import Receiver
from airpatch.blobs.scratch import NewFile, ScratchFile, View, release_pages
from airpatch.blobs.stopping import Stoppable
from airpatch.deflate.emit import emit
from airpatch.deflate.parse import Parser
from airpatch.delta.decoder import decode as decode
from airpatch.encoders.replicas import deflater
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, IntegrityError, SourceError
from airpatch.format.index import Index, SourceBlob, Step
from airpatch.layers.plaintexts import Plaintexts
from airpatch.layers.recipe import COLUMNS, Corrected, Plain, Raw, Recipe, Replay, Replica, Whole, read_header
from airpatch.linux import allow_open_files
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB

_RELEASE_EVERY = 16 << 20
"""Bytes made of mapped ones, after which their memory is given back: a step maps plaintexts and four columns."""
_PASSED = 1
"""Steps that others may pass while they wait for their sources: what these keep takes scratch space."""


Progress = Callable[[int], None]


def rebuild_blobs(
    index: Index,
    steps: Sequence[Step],
    content: Content,
    outputs: Callable[[Step], Receiver],
    new_file: NewFile,
    *,
    jobs: int | None = None,
    progress: Progress,
) -> None:
    """Carry out `steps` of `index`, in whose order they are, with the blobs that they need.

    `content` holds the sources, the layer patches by their digests, and each blob that `outputs` has completed.
    `progress` is told bytes of plaintext. Raises BaseMismatch if a source is wrong, FormatError or IntegrityError if a
    patch is, TargetError if there is no room.
    """
    allow_open_files()
    jobs = jobs or os.cpu_count() or 1
    users = Counter(source for step in steps for source in step.sources)
    stopped = threading.Event()
    content = Stoppable(content, stopped)
    plaintexts = Plaintexts(content, new_file, users)
    with ThreadPoolExecutor(jobs) as pool, ThreadPoolExecutor(jobs) as blocks:
        builder = Builder(sizes_of(index), content, plaintexts, blocks, stopped)

        def run(step: Step) -> None:
            with closing(content.open(step.patch, step.patch_size)) as patch:
                builder.build(step, patch, outputs(step))
            progress(step.plaintext)

        try:
            _carry_out(steps, run, pool, jobs)
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            plaintexts.close()


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


def scratch_space(index: Index, steps: Sequence[Step], jobs: int | None = None) -> int:
    """Bytes that `steps` keep in scratch files at most, `jobs` of them at a time (None: one for each processor).

    That is what they would keep one after the other, and what all others at work or passed keep for themselves.
    Decisions, which the index does not tell, are taken to be as large as the largest of their blobs.
    """
    sizes = sizes_of(index)
    own = [sum(sizes[source][1] for source in step.sources) + step.plaintext for step in steps]
    decisions = [max((step.size, *(sizes[source][0] for source in step.sources))) for step in steps]
    jobs = jobs or os.cpu_count() or 1
    return _one_by_one(sizes, steps) + sum(nlargest(jobs - 1 + _PASSED, own)) + sum(nlargest(jobs, decisions))


def _one_by_one(sizes: Sizes, steps: Sequence[Step]) -> int:
    """Bytes of plaintext that `steps` keep at most, one after the other."""
    last = {source: number for number, step in enumerate(steps) for source in step.sources}
    live = peak = 0
    held: set[Digest] = set()
    for number, step in enumerate(steps):
        for digest in (*step.sources, *((step.digest,) if step.digest in last else ())):
            if digest not in held:
                held.add(digest)
                live += sizes[digest][1]
        peak = max(peak, live)
        for digest in {*step.sources, step.digest}:
            if digest in held and last[digest] <= number:
                held.remove(digest)
                live -= sizes[digest][1]
    return peak


Sizes = Mapping[Digest, tuple[int, int]]
"""For each source its size and that of its plaintext, in bytes."""


def sizes_of(index: Index) -> Sizes:
    """The sizes of all sources of `index`."""
    sources: tuple[SourceBlob | Step, ...] = (*index.sources, *index.steps)
    return {source.digest: (source.size, source.plaintext) for source in sources}


class Builder:
    """Carries out single steps. For use by many threads. When `stopped` is set, all of them end in CancelledError."""

    def __init__(
        self,
        sizes: Sizes,
        content: Content,
        plaintexts: Plaintexts,
        blocks: Executor | None,
        stopped: threading.Event,
    ) -> None:
        self._content = content
        self._plaintexts = plaintexts
        self._blocks = blocks
        self._sizes = sizes
        self._stopped = stopped

    def build(self, step: Step, patch: BlobReader, output: Receiver) -> None:
        """Make the blob of `step` from its layer patch. Raises as `rebuild_blobs` does."""
        try:
            self._build(step, patch, output)
        except (FormatError, IntegrityError, SourceError) as error:
            self._blame_sources(step)
            raise type(error)(f"layer patch of {step.digest}: {error.message}", error.findings) from None
        finally:
            for source in step.sources:
                self._plaintexts.give_back(source)

    def _build(self, step: Step, patch: BlobReader, output: Receiver) -> None:
        recipe = read_header(patch, step.patch_size)
        hasher = hashlib.sha256()
        size = 0
        for chunk in self._blob(step, patch, recipe):
            if self._stopped.is_set():
                raise CancelledError
            size += len(chunk)
            if size > step.size:
                raise IntegrityError(f"makes more than the blob's {step.size} bytes")
            hasher.update(chunk)
            output.write(memoryview(chunk))
        if hasher.digest() != step.digest.raw:
            raise IntegrityError(f"makes {size} bytes with the digest sha256:{hasher.hexdigest()}")
        output.complete()

    def _blob(self, step: Step, patch: BlobReader, recipe: Recipe) -> Iterator[bytes | memoryview]:
        """The blob's bytes, as the recipe makes them."""
        match recipe.method:
            case Whole():
                section = _Section(patch, recipe, 0)
                yield from iter(lambda: section.read(PIECE), b"")
            case Raw():
                with ExitStack() as stack:
                    views = [self.raw(source, stack).view() for source in step.sources]
                    yield from _apply(_Section(patch, recipe, 0), views, step.size)
            case Plain():
                yield from self._plaintext(step, patch, recipe)
            case Replica() as replica:
                yield from self.encode(replica, self._plaintext(step, patch, recipe))
            case Replay(like):
                with ExitStack() as stack:
                    others = [self.columns(source, stack) for source in _chosen(step, like)]
                    yield from self._replay(step, patch, recipe, others)
            case Corrected(replica):
                with ExitStack() as stack:
                    plaintext = self._plaintext(step, patch, recipe)
                    others = [self.replica_columns(replica, plaintext, step.digest, stack)]
                    yield from self._replay(step, patch, recipe, others)

    def _plaintext(self, step: Step, patch: BlobReader, recipe: Recipe) -> Iterator[bytes]:
        """The plaintext out of sources and difference; also kept, if a later step wants it."""
        views = [self._plaintexts.take(source, *self._sizes[source]).view() for source in step.sources]
        with ExitStack() as stack:
            kept = self._plaintexts.new(step.digest) if self._plaintexts.wanted(step.digest) else None
            if kept is not None:
                stack.callback(kept.close)
            total = 0
            for chunk in _apply(_Section(patch, recipe, 0), views, step.plaintext):
                if kept is not None:
                    kept.append(chunk)
                total += len(chunk)
                yield chunk
            if total != step.plaintext:
                raise FormatError(f"makes {total} bytes of plaintext, not {step.plaintext}")
            stack.pop_all()
            if kept is not None:
                self._plaintexts.put(step.digest, kept)

    def encode(self, replica: Replica, plaintext: Iterable[bytes]) -> Iterator[bytes]:
        """The gzip file that the replica makes of the plaintext. Raises FormatError if nobody knows the encoder."""
        encoder = deflater(replica.encoder, self._blocks)
        yield replica.start
        crc = size = 0
        for chunk in plaintext:
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            yield encoder.feed(chunk)
        yield encoder.finish()
        yield crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")

    def _replay(
        self, step: Step, patch: BlobReader, recipe: Recipe, others: Sequence[Sequence[ScratchFile]]
    ) -> Iterator[bytes]:
        """The blob out of its plaintext and its decisions, which differ from those of `others`."""
        limit = max_column(step.size)
        columns = [
            _apply(_Section(patch, recipe, 1 + i), [other[i].view() for other in others], limit) for i in range(COLUMNS)
        ]
        streams = [_Chunks(chunks) for chunks in (self._plaintext(step, patch, recipe), *columns)]
        yield from emit(*(stream.read for stream in streams))
        for stream in streams:
            if stream.read(1):
                raise FormatError("has decisions or plaintext left over")

    def raw(self, blob: Digest, stack: ExitStack) -> ScratchFile:
        """A blob whose sizes are known, as it is, in a scratch file that `stack` closes."""
        size, _ = self._sizes[blob]
        file = stack.enter_context(closing(self._plaintexts.new(blob)))
        with closing(self._content.open(blob, size)) as reader:
            for piece in pieces(reader, size):
                file.append(piece)
        return file

    def columns(self, blob: Digest, stack: ExitStack) -> list[ScratchFile]:
        """The decisions of a blob whose sizes are known, in scratch files that `stack` closes."""
        size, plaintext = self._sizes[blob]
        with closing(self._content.open(blob, size)) as reader:
            return self._parse(pieces(reader, size), plaintext, blob, stack)

    def replica_columns(
        self, replica: Replica, plaintext: Iterable[bytes], blob: Digest, stack: ExitStack
    ) -> list[ScratchFile]:
        """The decisions of the gzip file that the replica makes of the plaintext, likewise."""
        return self._parse(self.encode(replica, plaintext), MAX_BLOB, blob, stack)

    def _parse(
        self, file: Iterable[bytes | memoryview], plaintext: int, blob: Digest, stack: ExitStack
    ) -> list[ScratchFile]:
        parser = Parser(plaintext)
        columns = [stack.enter_context(closing(self._plaintexts.new(blob))) for _ in range(COLUMNS)]
        for piece in chain(file, [None]):
            if self._stopped.is_set():
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


def _chosen(step: Step, like: Sequence[int]) -> list[Digest]:
    if any(number >= len(step.sources) for number in like):
        raise FormatError("refers to a source that it does not have")
    return [step.sources[number] for number in like]


def _apply(delta: _Section, views: Sequence[View], limit: int) -> Iterator[bytes]:
    """What `delta` makes of `views`, of which little stays in memory."""
    since = 0
    for chunk in decode(delta, views, limit):
        yield chunk
        since += len(chunk)
        if since > _RELEASE_EVERY:
            since = 0
            release_pages(views)


class _Chunks:
    """An iterator of bytes, read by size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)


class _Section:
    """A section of a layer patch, read from its beginning."""

    def __init__(self, patch: BlobReader, recipe: Recipe, number: int) -> None:
        self._patch = patch
        self._position, self._left = recipe.section(number)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        buffer = bytearray(min(size, self._left))
        if buffer:
            self._patch.read_into(memoryview(buffer), self._position)
        self._position += len(buffer)
        self._left -= len(buffer)
        return bytes(buffer)
