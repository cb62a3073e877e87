"""Plans the patches of a product line, and forecasts what they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airpatch.delta.effort import Effort
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.product_line import source_questions, stored_patches
from airpatch.product_line.layer_facts import Facts, facts_of
from airpatch.product_line.line_plan import LinePlan, tasks_for
from airpatch.product_line.release_pairs import ReleasePair, places_in
from airpatch.product_line.source_questions import PatchSettings, SourceAnswer, SourceQuestion
from airpatch.product_line.stored_patches import StoredPatch, patch_key, stored_patch
from airpatch.store.layer_records import LayerRecords
from airpatch.store.release_store import ReleaseStore
from airpatch.worker_pool import worker_pool

_SPEED = {Effort.FAST: 24 << 20, Effort.DEFAULT: 22 << 20, Effort.BEST: 20 << 20}
"""Bytes of work in a second of a processor, for layers of Debian, PyPI and npm software; only forecasts need it."""
_NEW = 6
"""Of content that samples do not find in the sources, one byte in so many is new; the rest lies near what they find."""
_LEAST = 200
"""Parts of a layer of which its patch takes one, where sketches find nothing new."""


@dataclass(frozen=True, slots=True)
class PlannedPair:
    """A pair, and what its patch is forecast to take: `layers` new ones, of which `missing` patches are not there yet.

    `bytes` are those of the patch, `whole` those of all blobs that targets lack. `features` are the names of those that
    it asks of its reader, as far as its layer patches are there.
    """

    pair: ReleasePair
    layers: int
    missing: int
    bytes: int
    whole: int
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, its pairs, and the processor time of what is missing, in seconds. `known` patches are there already."""

    plan: LinePlan
    pairs: tuple[PlannedPair, ...]
    known: int
    seconds: int


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store has for a question: the patch, or nothing."""

    answer: SourceAnswer | None = None
    patch: StoredPatch | None = None


def plan_line(
    store: ReleaseStore, pairs: Sequence[ReleasePair], settings: PatchSettings, execution: Execution
) -> Planned:
    """Plan the patches of all `pairs`. Facts of layers that the store does not have are found first.

    Raises SourceError if a blob is missing, IntegrityError or FormatError if one is damaged, TargetError.
    """
    layers = {blob.digest: blob for pair in pairs for each in pair.layers() for blob in each}
    facts = facts_of(store, layers.values(), execution)
    releases = list({each.id: each for pair in pairs for each in (pair.base, pair.target)}.values())
    known_places = places_in(store, releases, execution)
    asked = [pair.questions(facts, known_places, settings.memory) for pair in pairs]
    known = _known(store, [each for questions in asked for each in questions], settings, execution)
    planned = [_planned(pair, questions, facts, known, settings) for pair, questions in zip(pairs, asked, strict=True)]
    missing = [
        (each, _unpacked(facts, each))
        for questions in asked
        for each in questions
        if known[each.key(settings)].patch is None
    ]
    plan = LinePlan(settings, tuple((pair.base.id, pair.target.id) for pair in pairs), tasks_for(missing, settings))
    there = sum(each.patch is not None for each in known.values())
    return Planned(plan, tuple(planned), there, -(-plan.work // _SPEED[settings.effort]))


def stored_answers(
    store: ReleaseStore, questions: Sequence[SourceQuestion], settings: PatchSettings, execution: Execution
) -> list[tuple[SourceAnswer, StoredPatch] | None]:
    """Return what the store has for each of `questions`; None where it has no patch."""
    known = _known(store, questions, settings, execution)
    found = [known[each.key(settings)] for each in questions]
    return [None if each.answer is None or each.patch is None else (each.answer, each.patch) for each in found]


def _known(
    store: ReleaseStore, questions: Sequence[SourceQuestion], settings: PatchSettings, execution: Execution
) -> dict[Digest, _Known]:
    records, execution = LayerRecords(store.objects), execution.task()
    by_key = {each.key(settings): each for each in questions}
    answered = records.keys(source_questions.KIND) & by_key.keys()
    patched = records.keys(stored_patches.KIND)

    def look(key: Digest) -> _Known:
        record, question = records.get(source_questions.KIND, key), by_key[key]
        answer = None if record is None else question.answer_in(record)
        if answer is None:
            return _Known()
        is_made = patch_key(settings, question.target, answer.sources) in patched
        return _Known(answer, stored_patch(store, settings, question, answer.sources) if is_made else None)

    with worker_pool(execution.threads, execution.cancellation) as pool:
        found = dict(zip(answered, pool.map(look, answered), strict=True))
    return {key: found.get(key, _Known()) for key in by_key}


def _planned(
    pair: ReleasePair,
    questions: Sequence[SourceQuestion],
    facts: Facts,
    known: dict[Digest, _Known],
    settings: PatchSettings,
) -> PlannedPair:
    asked = {each.target: known[each.key(settings)] for each in questions}
    stored = pair.index.stored
    whole = sum(blob.size for blob in stored)
    sizes = {blob.digest: blob.size for blob in stored}
    features: set[str] = set()
    for question in questions:
        patch = asked[question.target].patch
        if patch is None:
            sizes[question.target] = _forecast(question, facts)
        elif patch.step is not None:
            sizes[question.target] = patch.step.patch_size
            features.update(each.name for each in patch.features)
    missing = sum(each.patch is None for each in asked.values())
    return PlannedPair(pair, len(questions), missing, sum(sizes.values()), whole, frozenset(features))


def _forecast(question: SourceQuestion, facts: Facts) -> int:
    """Return the bytes that a patch will have, about: in proportion to what the sources do not explain."""
    explained = sum(each.resembling for each in question.answer(facts, None).chosen)
    size = max(_unpacked(facts, question), 1)
    return max(question.size * max(size - explained, 0) // size // _NEW, question.size // _LEAST)


def _unpacked(facts: Facts, question: SourceQuestion) -> int:
    known = facts[question.target]
    return 0 if known is None else known.uncompressed_size
