"""Makes the differences of layer patches: of uncompressed layers, of views of them, and of decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing
from dataclasses import dataclass

from airpatch.blobs.scratch import Scratch, ScratchFile, View, release_pages
from airpatch.delta.covers import TARS, Members
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import See, encode
from airpatch.execution import Execution
from airpatch.layers.blob_builder import BlobBuilder
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import ViewSizes
from airpatch.model.digest import Digest
from airpatch.progress import Share
from airpatch.views.choose import choose
from airpatch.views.description import Coding, emit_view


@dataclass(frozen=True, slots=True)
class Difference:
    """What makes an uncompressed layer: the `delta`, of layers or of views, and then the views' descriptions."""

    delta: ScratchFile
    views: ViewSizes | None = None
    descriptions: Sequence[ScratchFile] = ()
    codings: Sequence[Coding] = ()
    expanded: int = 0
    """Bytes of the view of the sources."""

    @property
    def size(self) -> int:
        """Bytes of all sections."""
        return self.delta.size + sum(description.size for description in self.descriptions)


class Differences:
    """Makes differences with `effort`. Scratch files are of `execution`, which also says when all work is to end."""

    def __init__(self, effort: Effort, execution: Execution, builder: BlobBuilder, reader: ReaderFeatures) -> None:
        self.entries = _index_entries(execution.memory)
        """Those of the index of anchors."""
        self.effort = effort
        self._new_file = execution.scratch
        self._cancellation = execution.cancellation
        self._builder = builder
        self._reader = reader

    def flat(
        self,
        layer: Digest,
        target: Scratch,
        sources: Sequence[Scratch],
        share: Share,
        stack: ExitStack,
        see: See = lambda _covers: None,
    ) -> Difference:
        """Return the difference of uncompressed layers as they are; `see` receives its covers."""
        delta = self.between(target, sources, str(layer), share.reach, see=see)
        stack.callback(delta.close)
        return Difference(delta)

    def nested(
        self, layer: Digest, target: Scratch, sources: Sequence[Scratch], share: Share, stack: ExitStack
    ) -> Difference | None:
        """Return the difference of layers with their nested content expanded; None where none of it has changed."""
        name, packed, others = str(layer), target.view(), [source.view() for source in sources]
        old = [memoryview(other) for other in others]
        reader = self._reader.of_views(layer)
        views = choose(memoryview(packed), old, self.pause([packed, *others]), reader=reader)
        if views is None:
            return None
        with ExitStack() as expanded:
            new, beside = (expanded.enter_context(closing(ScratchFile(self._new_file, name))) for _ in range(2))
            self._builder.expand(views.target, [packed], views.target_size, new)
            self._builder.expand(views.source, others, views.source_size, beside)
            members = Members(views.target_members, [*(None for _ in sources), views.source_members])

            def reach(position: int) -> None:
                share.reach(position * target.size // views.target_size)

            delta = self.between(new, [*sources, beside], name, reach, members)
            stack.callback(delta.close)
        descriptions = []
        for view in (views.target, views.source):
            description = ScratchFile(self._new_file, name)
            stack.callback(description.close)
            for chunk in encode(emit_view(view), (), self.effort):
                description.append(chunk)
            descriptions.append(description)
        sizes = ViewSizes(views.target_size, views.source_size)
        codings = (*views.target.codings, *views.source.codings)
        return Difference(delta, sizes, descriptions, codings, views.source_size)

    def between(
        self,
        target: Scratch,
        sources: Sequence[Scratch],
        name: str,
        reach: Callable[[int], None] = lambda _position: None,
        members: Members = TARS,
        effort: Effort | None = None,
        see: See = lambda _covers: None,
    ) -> ScratchFile:
        """Return the difference of a layer, or of a column of decisions, to those of the sources.

        `reach` receives how many bytes of the target are described. `effort` is less than usual for a first look. `see`
        receives the covers.
        """
        view = target.view()
        views = [source.view() for source in sources]
        pause = self.pause((view, *views))
        with ExitStack() as stack:
            delta = ScratchFile(self._new_file, name)
            stack.callback(delta.close)
            for chunk in encode(view, views, effort or self.effort, self.entries, pause, members, reach, see):
                delta.append(chunk)
            stack.pop_all()
        return delta

    def pause(self, views: Sequence[View]) -> Callable[[], None]:
        """Return what long work calls now and then: it stops cancelled work, and releases mapped memory."""

        def pause() -> None:
            if self._cancellation.is_cancelled:
                raise CancelledError
            release_pages(views)

        return pause


def _index_entries(memory: int) -> int:
    """Return entries of the index of anchors, 8 bytes each: a 16th of the memory. It decides about the patch's
    bytes.
    """
    return 1 << max(16, min(24, (memory // 16 // 8).bit_length() - 1))
