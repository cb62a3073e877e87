"""Makes layer patches: for each new blob its sources, the difference, the way to rebuild it, and the proof.

Blobs are unpacked to scratch files and described by the files in them; for each new blob the sources are chosen among
the base's blobs and the new ones before it, so that what two blobs share travels once. The patches do not depend on the
number of threads. A patch that is not smaller than its blob is dropped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from bundle.archive.content import Content
from bundle.delta.encode import Effort
from bundle.errors import FormatError
from bundle.format.index import SourceBlob, Step
from bundle.layers.plaintext import Compression, extract
from bundle.layers.resemblance import Catalogue, Contents
from bundle.layers.scratch import NewFile, ScratchFile, relax
from bundle.layers.workshop import Made, ScratchBlob, Unpacked, Workshop
from bundle.linux import allow_open_files
from bundle.model.digest import Digest
from bundle.model.manifest import MAX_BLOB
from bundle.model.release import Blob

MIN_BLOB = 4 << 10
"""Bytes; smaller blobs travel whole, since a patch has a row in the index and a member of its own."""


@dataclass(frozen=True, slots=True)
class Options:
    """`memory` in bytes for all `jobs` together; `jobs` None takes the machine's processors."""

    effort: Effort = Effort.DEFAULT
    memory: int = 1 << 30
    jobs: int | None = None
    progress: Callable[[int], None] = lambda _: None
    announce: Callable[[str, int], None] = lambda _label, _total: None


def workers(options: Options) -> int:
    """How many blobs are worked on at once."""
    return options.jobs or os.cpu_count() or 1


@dataclass(slots=True)
class LayerPatches:
    """What a differ made: steps in their order, the sources that no step makes, and the patches as a `Content`."""

    file: ScratchFile
    """All patches, one after the other."""
    steps: list[Step] = field(default_factory=list)
    sources: list[SourceBlob] = field(default_factory=list)
    starts: dict[Digest, tuple[int, int]] = field(default_factory=dict)
    """Of each patch where it begins in `file`, and its size."""

    def size(self, digest: Digest) -> int | None:
        return self.starts[digest][1] if digest in self.starts else None

    def open(self, digest: Digest, size: int) -> ScratchBlob:
        start, actual = self.starts[digest]
        if actual != size:
            raise FormatError(f"layer patch {digest} has {actual} bytes, not {size}")
        return ScratchBlob(self.file, start)

    def add(self, made: Made) -> None:
        """Take over a patch, and give up its file."""
        with closing(made.file):
            self.starts[made.step.patch] = self.file.size, made.file.size
            for piece in made.file.pieces():
                self.file.append(piece)
        self.steps.append(made.step)

    def close(self) -> None:
        """Give up the patches."""
        self.file.close()


class Differ:
    """Makes layer patches out of blobs that `content` has, with scratch files of `new_file`."""

    def __init__(self, content: Content, new_file: NewFile, options: Options) -> None:
        self._content = content
        self._new_file = new_file
        self._options = options
        self._stopped = threading.Event()

    def make(self, targets: Sequence[Blob], available: Sequence[Blob]) -> LayerPatches:
        """Patches for those of the `targets` that get smaller by one, using blobs that are `available` on every target.

        Blobs that do not decompress are neither patched nor used. Raises TargetError if scratch space runs out, and
        what `content` raises.
        """
        allow_open_files()
        targets = [blob for blob in targets if blob.size >= MIN_BLOB]
        available = [blob for blob in available if blob.size >= MIN_BLOB]
        with ExitStack() as stack, ThreadPoolExecutor(workers(self._options)) as pool:
            try:
                return self._make(targets, available, pool, stack)
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _make(
        self, targets: Sequence[Blob], available: Sequence[Blob], pool: Executor, stack: ExitStack
    ) -> LayerPatches:
        options = self._options
        options.announce("unpacking layers", sum(blob.size for blob in (*available, *targets)))
        unpacked = {
            each.blob.digest: each
            for each in pool.map(lambda blob: self._unpack(blob, stack), (*available, *targets))
            if each is not None
        }
        old = [unpacked[blob.digest] for blob in available if blob.digest in unpacked]
        new = [unpacked[blob.digest] for blob in targets if blob.digest in unpacked]
        new.sort(key=lambda u: u.compression is not Compression.ZSTD)
        chosen = _choose_sources(old, new)
        options.announce("making layer patches", sum(u.contents.size for u in new))
        workshop = Workshop(
            self._content, self._new_file, list(unpacked.values()), options.effort, options.memory, self._stopped
        )

        def patch(target: Unpacked, sources: Sequence[Unpacked]) -> Made | None:
            made = workshop.patch(target, sources)
            options.progress(target.contents.size)
            return made

        patches = LayerPatches(ScratchFile(self._new_file, "layer patches"))
        try:
            for made in pool.map(patch, new, chosen):
                if made is not None:
                    patches.add(made)
        except BaseException:
            patches.close()
            raise
        patches.sources = _outside(patches.steps, unpacked)
        return patches

    def _unpack(self, blob: Blob, stack: ExitStack) -> Unpacked | None:
        """The blob's plaintext, in a file that `stack` closes; None if it does not decompress."""
        file = ScratchFile(self._new_file, str(blob.digest))
        stack.callback(file.close)

        def take(piece: bytes) -> None:
            if self._stopped.is_set():
                raise CancelledError
            file.append(piece)

        try:
            with closing(self._content.open(blob.digest, blob.size)) as reader:
                kind = extract(reader, blob.size, take, MAX_BLOB)
        except FormatError:
            return None
        view = file.view()
        contents = Contents.of(memoryview(view), lambda: relax((view,)))
        self._options.progress(blob.size)
        return Unpacked(blob, kind, file, contents)


def _choose_sources(old: Sequence[Unpacked], new: Sequence[Unpacked]) -> list[list[Unpacked]]:
    """For each new blob the blobs whose plaintexts resemble its own: old ones, and new ones before it."""
    catalogue: Catalogue[Unpacked] = Catalogue()
    for each in old:
        catalogue.add(each, each.contents)
    chosen = []
    for target in new:
        chosen.append(catalogue.choose(target.contents))
        catalogue.add(target, target.contents)
    return chosen


def _outside(steps: Sequence[Step], unpacked: Mapping[Digest, Unpacked]) -> list[SourceBlob]:
    """The sources that no step makes, in the order of the index."""
    digests = {source for step in steps for source in step.sources}.difference(step.digest for step in steps)
    sources = [unpacked[digest] for digest in sorted(digests)]
    return [SourceBlob(each.blob.digest, each.blob.size, each.contents.size) for each in sources]
