"""Collects a patch between two releases of a store out of layer patches that are there."""

from __future__ import annotations

from collections.abc import Mapping

from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.content import ChainedContent
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.layers.differ import sources_outside
from airpatch.model.digest import Digest
from airpatch.patches.layer_patching import with_layer_patches
from airpatch.product_line.layer_facts import facts_of
from airpatch.product_line.planning import stored_answers
from airpatch.product_line.release_pairs import ReleasePair, places_in
from airpatch.product_line.source_questions import PatchSettings
from airpatch.sources.gather import Gathered
from airpatch.store.release_store import ReleaseStore
from airpatch.units import count


def collect_patch(
    store: ReleaseStore, pair: ReleasePair, gathered: Gathered, settings: PatchSettings, execution: Execution
) -> PreparedBundle:
    """Return the patch of `pair`, whose target is the release of `gathered`: the bundle that a diff would make.

    Raises UsageError if the store lacks a layer patch, SourceError, IntegrityError, FormatError, TargetError.
    """
    new, old = pair.layers()
    facts = facts_of(store, [*new, *old], execution)
    places = places_in(store, [pair.base, pair.target], execution)
    found = stored_answers(store, pair.questions(facts, places, settings.memory), settings, execution)
    missing = sum(each is None for each in found)
    if missing:
        raise UsageError(
            f"{store.name}: lacks {missing} of {count(len(found), 'layer patch')} from "
            f"{pair.base.release.title} to {pair.target.release.title}: plan with the same --effort and --memory, "
            "and run 'airpatch work'"
        )
    patches = [each[1] for each in found if each is not None]
    steps = [each.step for each in patches if each.step is not None]
    sizes: Mapping[Digest, tuple[int, int]] = {
        blob.digest: (blob.size, known.uncompressed_size)
        for blob in (*old, *new)
        if (known := facts[blob.digest]) is not None
    }
    features = [feature for each in patches for feature in each.features]
    index = with_layer_patches(pair.index, steps, sources_outside(steps, sizes), features)
    chosen = {each[1].step.digest: each[0].chosen for each in found if each is not None and each[1].step is not None}
    content = ChainedContent([gathered.content, store.content])
    return PreparedBundle(index, gathered.manifests, content, content, chosen)
