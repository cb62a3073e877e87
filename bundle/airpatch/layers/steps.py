"""Which steps of an index make a blob, how large their sources are, and the scratch space that they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from heapq import nlargest

from airpatch.format.index import Index, SourceBlob, Step
from airpatch.model.digest import Digest

Sizes = Mapping[Digest, tuple[int, int]]
"""For each source its size and its uncompressed size, in bytes."""

PASSED = 1
"""Steps that others may pass while they wait for their sources: what these keep takes scratch space."""


def steps_for(index: Index, wanted: Iterable[Digest], there: AbstractSet[Digest]) -> list[Step]:
    """Return the steps that make the blobs `wanted`, and their sources as far as these are not `there`, in order."""
    needed = set(wanted)
    for step in reversed(index.steps):
        if step.digest in needed:
            needed.update(source for source in step.sources if source not in there)
    return [step for step in index.steps if step.digest in needed]


def sizes_of(index: Index) -> Sizes:
    """Return the sizes of all sources of `index`."""
    sources: tuple[SourceBlob | Step, ...] = (*index.sources, *index.steps)
    return {source.digest: (source.size, source.uncompressed_size) for source in sources}


def own_space(step: Step, sizes: Sizes) -> int:
    """Return how many bytes a step keeps beside blobs and decisions: its sources, uncompressed, and their view."""
    return sum(sizes[source][1] for source in step.sources) + step.expanded


def decisions_space(step: Step, sizes: Sizes) -> int:
    """Return how many bytes the decisions of a step take at most, if its method has any.

    The index does not tell: they are taken to be as large as the largest of their blobs, uncompressed, since those of
    zstd have 16 bytes and more for each match.
    """
    return max(sizes[digest][1] for digest in (step.digest, *step.sources))


def scratch_space(index: Index, steps: Sequence[Step], jobs: int) -> int:
    """Return how many bytes `steps` keep in scratch files at most, `jobs` of them at a time.

    That is what they would keep if carried out in turn, plus what all steps under way or passed over keep. A zstd blob
    that is written from its decisions has its content beside them.
    """
    sizes = sizes_of(index)
    own = [own_space(step, sizes) + step.uncompressed_size for step in steps]
    decisions = [decisions_space(step, sizes) + step.uncompressed_size for step in steps]
    return _one_by_one(sizes, steps) + sum(nlargest(jobs - 1 + PASSED, own)) + sum(nlargest(jobs, decisions))


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
