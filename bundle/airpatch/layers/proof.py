"""Verifies a bundle as a target would take it: every byte, and what its layer patches make.

They are carried out in scratch files where the bundle brings all that they need, as a full one does, or where somebody
has a base. Else their headers are read: what can be known of a layer patch without its sources.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import replace

from airpatch.archive.checker import CheckedBundle, Demand, nothing_demanded, verify_bundle
from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.reader import Accept
from airpatch.blobs.content import BytesBlob, ChainedContent, Content
from airpatch.blobs.receiver import Discard, Receiver
from airpatch.blobs.room import require_scratch
from airpatch.errors import FormatError, IntegrityError, located
from airpatch.execution import Execution
from airpatch.format.index import Index, Step
from airpatch.format.layout import Member
from airpatch.layers.rebuilt_content import RebuiltContent, scratch_needed
from airpatch.layers.recipe import PREFIX, FrameReplay, Frames, GzipMembers, Replay, read_header
from airpatch.model.digest import Digest

Base = Callable[[Index], Content]
"""Gives the blobs that layer patches of an index build upon and its bundle does not bring."""


def prove(
    reader: FrameReader, execution: Execution, base: Base | None = None, demand: Demand = nothing_demanded
) -> CheckedBundle:
    """Read `reader` to its end, and carry out its layer patches if it is a full bundle's or there is a `base`.

    Raises FormatError if there is no valid index, TargetError if the reader cannot be read or there is no room,
    BaseMismatch if a source out of the base is wrong, and what `demand` and `base` raise.
    """
    with closing(RebuiltContent(execution.scratch)) as spool:
        contents: list[Content] = [spool]

        def data(index: Index) -> Accept:
            if not index.is_full and base is None:
                return lambda member: Discard() if member.step is None else _Header(member.step)
            if not index.is_full and base is not None:
                contents.append(base(index))
            needed = {step.patch for step in index.steps} | {source.digest for source in index.sources}
            require_scratch(execution.scratch, _scratch(index, needed, execution.threads))

            def accept(member: Member) -> Receiver:
                return spool.output(member.digest, member.size) if member.digest in needed else Discard()

            return accept

        verified = verify_bundle(reader, execution, data, demand)
        index = verified.index
        if verified.findings or (not index.is_full and base is None):
            return verified
        try:
            with located(reader.name):
                spool.make(index, index.steps, ChainedContent(contents), execution, _used(index))
        except (FormatError, IntegrityError) as error:
            # Anew, since a traceback keeps mapped scratch files open.
            return replace(verified, findings=(type(error)(error.message, error.findings),))
    return verified


def _scratch(index: Index, spooled: AbstractSet[Digest], jobs: int) -> int:
    """Return how many bytes of scratch files all steps of `index` take, with what the bundle brings for them."""
    patches = sum(step.patch_size for step in index.steps)
    stored = sum(blob.size for blob in index.stored if blob.digest in spooled)
    return patches + stored + (scratch_needed(index, index.steps, jobs, _used(index)) if index.steps else 0)


def _used(index: Index) -> set[Digest]:
    return {source for step in index.steps for source in step.sources}


class _Header:
    """Takes a layer patch, and reads its header."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._prefix = bytearray()

    def write(self, piece: memoryview) -> None:
        self._prefix += piece[: PREFIX - len(self._prefix)]

    def complete(self) -> None:
        step = self._step
        with located(f"layer patch of {step.digest}"):
            method = read_header(BytesBlob(bytes(self._prefix)), step.patch_size).method
            like = method.like if isinstance(method, Replay | GzipMembers | Frames | FrameReplay) else ()
            if any(number >= len(step.sources) for number in like):
                raise FormatError("refers to a source that it does not have")
