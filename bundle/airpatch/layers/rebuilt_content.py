"""Blobs that layer patches make, in scratch files: for whoever has bundles and no target.

The codecs are loaded when there is something to make: that takes longer than to pack a small bundle, and most have no
layer patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, closing
from dataclasses import dataclass

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BlobReader, ChainedContent, Content, require
from airpatch.blobs.receiver import Discard, Receiver
from airpatch.blobs.room import require_scratch
from airpatch.blobs.scratch import MemoryScratch, ScratchFile, ScratchRange, ScratchStore
from airpatch.errors import BaseMismatch, IntegrityError, located
from airpatch.execution import Execution, NewFile
from airpatch.format.index import Index, Step
from airpatch.model.digest import Digest


def scratch_needed(index: Index, steps: Sequence[Step], jobs: int, kept: AbstractSet[Digest] | None = None) -> int:
    """Return how many bytes of scratch files carrying out `steps` takes, and keeping the blobs `kept` (None: all)."""
    from airpatch.layers.steps import scratch_space

    return scratch_space(index, steps, jobs) + sum(s.size for s in steps if kept is None or s.digest in kept)


class RebuiltContent:
    """A `Content` of blobs in scratch files, or in `memory` as far as that has room.

    Where nobody closes it, the system frees them with the process.
    """

    def __init__(self, new_file: NewFile, memory: MemoryScratch | None = None) -> None:
        self._new_file = new_file
        self._store = ScratchStore(new_file, memory)
        self._parts: dict[Digest, ScratchRange] = {}
        self._unfinished: set[ScratchFile] = set()

    def size(self, digest: Digest) -> int | None:
        part = self._parts.get(digest)
        return None if part is None else part.size

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "what layer patches made")
        return self._parts[digest]

    def output(self, digest: Digest, size: int) -> Receiver:
        """Takes the blob of `size` bytes, which is here as soon as it is complete."""
        file = self._store.new(size, str(digest))
        self._unfinished.add(file)

        def complete() -> None:
            self._unfinished.remove(file)
            self._parts[digest] = self._store.keep(file)

        return _FileOutput(file, complete)

    def give_up(self, digest: Digest) -> None:
        """Release a blob that nobody reads any more."""
        self._store.give_up(self._parts.pop(digest))

    def close(self) -> None:
        """Give up all blobs."""
        self._store.close()
        while self._unfinished:
            self._unfinished.pop().close()

    def make(
        self,
        index: Index,
        steps: Sequence[Step],
        content: Content,
        execution: Execution,
        kept: AbstractSet[Digest] | None = None,
    ) -> None:
        """Carry out `steps` of `index` with what is in `content` and here; keep the blobs `kept`, by default all.

        Raises as `rebuild_blobs` does.
        """
        if not steps:
            return
        from airpatch.layers.rebuild import rebuild_blobs

        require_scratch(self._new_file, scratch_needed(index, steps, execution.threads, kept))

        def output(step: Step) -> Receiver:
            return self.output(step.digest, step.size) if kept is None or step.digest in kept else Discard()

        there = content if content is self else ChainedContent([content, self])
        rebuild_blobs(index, steps, there, output, execution.task())


def content_with_rebuilt(bundle: BundleFile, wanted: Iterable[Digest], execution: Execution) -> Content:
    """Return what `bundle`, a full one, stores, and those blobs of `wanted` that it has as layer patches.

    Raises IntegrityError or FormatError if the bundle is damaged, TargetError if there is no room.
    """
    if not bundle.index.steps:
        return bundle
    from airpatch.layers.steps import steps_for

    stored = {blob.digest for blob in bundle.index.stored}
    steps = steps_for(bundle.index, set(wanted) - stored, stored)
    with ExitStack() as stack:
        rebuilt = stack.enter_context(closing(RebuiltContent(execution.scratch)))
        try:
            with located(bundle.name):
                rebuilt.make(bundle.index, steps, bundle, execution)
        except BaseMismatch as error:  # what it builds upon is in the bundle, too
            raise IntegrityError(f"{bundle.name}: is damaged", error.findings) from None
        stack.pop_all()
    return ChainedContent([bundle, rebuilt])


@dataclass(frozen=True, slots=True)
class _FileOutput:
    """A blob on its way into a scratch file."""

    file: ScratchFile
    completed: Callable[[], None]

    def write(self, piece: memoryview) -> None:
        self.file.append(piece)

    def complete(self) -> None:
        self.completed()
