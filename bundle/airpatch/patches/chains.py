"""Chains of bundles: whether each follows the one before it, and the blobs that their layer patches make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, closing
from itertools import pairwise

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import ChainedContent, Content
from airpatch.blobs.room import require_scratch
from airpatch.errors import BaseMismatch, UsageError
from airpatch.execution import Execution
from airpatch.format.index import Step
from airpatch.layers.rebuilt_content import RebuiltContent, scratch_needed
from airpatch.layers.steps import steps_for
from airpatch.model.digest import Digest
from airpatch.model.lacking import lacking_by_image
from airpatch.model.manifest import parse_manifest
from airpatch.units import count, megabytes

Work = Sequence[tuple[BundleFile, Sequence[Step]]]
"""The steps of each bundle to carry out, in order."""


def chain_steps(bundles: Sequence[BundleFile], wanted: Iterable[Digest], there: AbstractSet[Digest]) -> Work:
    """Return the steps of `bundles` that make the blobs `wanted` and what these build upon, as far as they are not
    `there`.
    """
    needed = set(wanted)
    work: list[tuple[BundleFile, Sequence[Step]]] = []
    for bundle in reversed(bundles):
        steps = steps_for(bundle.index, needed - there, there)
        needed.update(source for step in steps for source in step.sources)
        work.append((bundle, steps))
    return work[::-1]


def rebuild_chain(work: Work, contents: Sequence[Content], execution: Execution) -> RebuiltContent:
    """Carry out `work` in scratch files, with what is in `contents`. Raises what `RebuiltContent.make` raises."""
    each = [scratch_needed(bundle.index, steps, execution.threads) for bundle, steps in work if steps]
    require_scratch(execution.scratch, sum(each))
    with ExitStack() as stack:
        rebuilt = stack.enter_context(closing(RebuiltContent(execution.scratch)))
        content = ChainedContent([*contents, rebuilt])
        for bundle, steps in work:
            rebuilt.make(bundle.index, steps, content, execution)
        stack.pop_all()
    return rebuilt


def require_patches(bundles: Sequence[BundleFile]) -> None:
    """Raise UsageError unless all `bundles` are patches."""
    for bundle in bundles:
        if bundle.index.is_full:
            raise UsageError(f"{bundle.name}: is a full bundle, where a patch is expected")


def require_chain(bundles: Sequence[BundleFile]) -> None:
    """Raise BaseMismatch unless each bundle finds what it needs in the release before it."""
    for before, patch in pairwise(bundles):
        there = {(blob.digest, blob.size) for blob in before.index.release.blobs}
        missing = {b.digest: b.size for b in patch.index.needed if (b.digest, b.size) not in there}
        if missing:
            bases = " or ".join(base.name for base in patch.index.bases)
            manifests = {digest: parse_manifest(content) for digest, content in patch.manifests().items()}
            made_of = {step.digest: step.sources for step in patch.index.steps}
            raise BaseMismatch(
                f"{patch.name} was made for {bases} and does not fit {before.name}, which is release "
                f"{before.index.release.name}; it lacks {count(len(missing), 'blob')} of "
                f"{megabytes(sum(missing.values()))}",
                lacking_by_image(patch.index.release.images, manifests, missing, made_of=made_of),
            )
