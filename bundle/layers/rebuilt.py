"""Blobs that layer patches make, in scratch files: for whoever has bundles and no target.

The codecs are loaded when there is something to make: that takes longer than to pack a small bundle, and most have no
layer patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bundle.archive.bundle_file import BundleFile
from bundle.archive.content import BlobReader, Content, Union
from bundle.archive.writer import Progress, no_progress
from bundle.errors import BaseMismatch, IntegrityError, located
from bundle.format.index import Index, Step
from bundle.layers.scratch import NewFile, ScratchFile
from bundle.model.digest import Digest

if TYPE_CHECKING:
    from bundle.layers.rebuild import Output


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How to carry out layer patches; `announce` is called with a label and a number of bytes of plaintext."""

    new_file: NewFile
    jobs: int | None = None
    progress: Progress = no_progress
    announce: Callable[[str, int], None] = lambda _label, _total: None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A `Content` of blobs in scratch files; the system frees them with the process."""

    files: dict[Digest, ScratchFile] = field(default_factory=dict)

    def size(self, digest: Digest) -> int | None:
        file = self.files.get(digest)
        return None if file is None else file.size

    def open(self, digest: Digest, size: int) -> BlobReader:
        if self.size(digest) != size:
            raise BaseMismatch(f"none of the bundles gives {digest}")
        return _ScratchReader(self.files[digest])

    def make(
        self,
        index: Index,
        steps: Sequence[Step],
        content: Content,
        options: Rebuilding,
        kept: AbstractSet[Digest] | None = None,
    ) -> None:
        """Carry out `steps` of `index` with what is in `content` and here; keep the blobs `kept`, by default all.

        Raises as `rebuild_blobs` does.
        """
        if not steps:
            return
        from bundle.layers.rebuild import rebuild_blobs

        def output(step: Step) -> Output:
            if kept is not None and step.digest not in kept:
                return Nowhere()
            file = ScratchFile(options.new_file, str(step.digest))
            return FileOutput(file, lambda: self.files.__setitem__(step.digest, file))

        options.announce(f"rebuilding layers of {index.release.name}", sum(step.plaintext for step in steps))
        rebuild_blobs(
            index,
            steps,
            content if content is self else Union([content, self]),
            output,
            options.new_file,
            jobs=options.jobs,
            progress=options.progress,
        )


def unfold(bundle: BundleFile, wanted: Iterable[Digest], options: Rebuilding) -> Content:
    """What `bundle`, a full one, stores, and those blobs of `wanted` that it has as layer patches.

    Raises IntegrityError or FormatError if the bundle is damaged, TargetError if there is no room.
    """
    if not bundle.index.steps:
        return bundle
    from bundle.layers.rebuild import steps_for

    stored = {blob.digest for blob in bundle.index.stored}
    steps = steps_for(bundle.index, set(wanted) - stored, stored)
    rebuilt = Rebuilt()
    try:
        with located(bundle.name):
            rebuilt.make(bundle.index, steps, bundle, options)
    except BaseMismatch as error:  # what it builds upon is in the bundle, too
        raise IntegrityError(f"{bundle.name}: is damaged", error.findings) from None
    return Union([bundle, rebuilt])


class _ScratchReader:
    def __init__(self, file: ScratchFile) -> None:
        self._file = file

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = self._file.read(offset, len(view))

    def close(self) -> None:
        """The file stays."""


@dataclass(frozen=True, slots=True)
class FileOutput:
    """A blob on its way into a scratch file."""

    file: ScratchFile
    completed: Callable[[], None]

    def write(self, piece: memoryview) -> None:
        self.file.append(piece)

    def complete(self) -> None:
        self.completed()


class Nowhere:
    """An output that keeps nothing: that the digest is right is all that is wanted."""

    def write(self, piece: memoryview) -> None:
        """The builder hashes it."""

    def complete(self) -> None:
        """The builder has compared the digest."""
