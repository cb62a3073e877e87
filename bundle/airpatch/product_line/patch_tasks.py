"""The work of a plan: one task for each new layer, which makes all its layer patches.

A task is pure: it reads layers and facts from the store, and adds what is not there yet, each patch as soon as it was
carried out. Whoever runs it, however often, and wherever it was killed before: the same records come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property

from airpatch.blobs.scratch import ScratchStore
from airpatch.errors import IntegrityError
from airpatch.execution import Execution
from airpatch.format.index import UNKNOWN_TYPE
from airpatch.layers.budget import Budget
from airpatch.layers.patch_maker import PatchMaker
from airpatch.layers.resemblance import precedents
from airpatch.layers.uncompressed import kept_layers
from airpatch.layers.ways import LayerBlob
from airpatch.log import logger
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.product_line import source_questions, stored_patches
from airpatch.product_line.layer_facts import facts_of
from airpatch.product_line.source_questions import Candidate, PatchSettings, SourceAnswer, SourceQuestion
from airpatch.product_line.spooled_blobs import SpooledBlobs
from airpatch.product_line.stored_patches import StoredPatch, patch_in, patch_key, stored_patch
from airpatch.progress import NO_PROGRESS, ProgressPart, Share
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore

_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class PatchTask:
    """All patches of the layer `target` of `size` bytes, `uncompressed_size` uncompressed: one for each question."""

    target: Digest
    size: int
    uncompressed_size: int
    questions: tuple[SourceQuestion, ...]

    @property
    def work(self) -> int:
        """Bytes of work."""
        return len(self.questions) * (self.size + self.uncompressed_size)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task did: the keys of the patches that it `made`, and of those that it `found`."""

    made: tuple[Digest, ...] = ()
    found: tuple[Digest, ...] = ()


def run_task(
    store: ReleaseStore,
    task: PatchTask,
    settings: PatchSettings,
    execution: Execution,
    budget: Budget,
    part: ProgressPart,
) -> TaskResult:
    """Make the patches of `task` that `store` does not have, and count its work in `part`.

    All that make patches share the `budget`. Raises IntegrityError if a blob of the store is damaged, or if the store
    has other bytes for a patch than were made; SourceError, FormatError, TargetError.
    """
    # What decides about bytes is the memory of the plan, whatever this worker has.
    execution = replace(execution, memory=settings.memory)
    with closing(_Task(store, task, settings, execution, budget)) as running:
        made: list[Digest] = []
        found: list[Digest] = []
        for question in task.questions:
            with part.share(task.size + task.uncompressed_size, task.target) as share:
                key, is_new = running.patch(question, share)
            (made if is_new else found).append(key)
    return TaskResult(tuple(made), tuple(found))


class _Task:
    """A task under way, with the layers that it has read."""

    def __init__(
        self, store: ReleaseStore, task: PatchTask, settings: PatchSettings, execution: Execution, budget: Budget
    ) -> None:
        self._store = store
        self._records = LayerRecords(store.objects)
        self._task = task
        self._settings = settings
        self._execution = execution
        self._alone = replace(execution, jobs=1, progress=NO_PROGRESS)
        self._budget = budget
        self._spooled = SpooledBlobs(store.content, execution)
        self._scratch = ScratchStore(execution.scratch)
        digests = {task.target, *(each.digest for question in task.questions for each in question.candidates)}
        self._uncompressed = kept_layers(self._spooled, execution.scratch, digests, self._scratch)
        self._layers: dict[Digest, LayerBlob] = {}

    def close(self) -> None:
        self._scratch.close()
        self._spooled.close()

    def patch(self, question: SourceQuestion, share: Share) -> tuple[Digest, bool]:
        """Return the key of the patch that `question` asks for, and whether it was made now."""
        answer = self._answer(question)
        sizes = {each.digest: each.size for each in question.candidates}
        key = patch_key(self._settings, question.target, answer.sources)
        if stored_patch(self._store, self._settings, question, answer.sources) is not None:
            return key, False
        made = self._make([(digest, sizes[digest]) for digest in answer.sources], share)
        record = made.record(question.target, answer.sources)

        def is_sound(known: LayerRecord) -> bool:
            return patch_in(known, question, answer.sources) is not None

        if self._records.publish(stored_patches.KIND, key, record, is_sound) != record:
            raise IntegrityError(
                f"the store has another layer patch of {question.target} out of the same layers than was made now: "
                "remove its records and run again"
            )
        return key, True

    def _answer(self, question: SourceQuestion) -> SourceAnswer:
        key = question.key(self._settings)
        record = self._records.get(source_questions.KIND, key)
        known = None if record is None else question.answer_in(record)
        if known is None:
            layers = [Blob(question.target, question.size, UNKNOWN_TYPE)]
            layers += [Blob(each.digest, each.size, UNKNOWN_TYPE) for each in question.candidates]
            facts = facts_of(self._store, layers, self._alone)
            answer = self._with_precedent(question, question.answer(facts, self._judge))

            def is_sound(there: LayerRecord) -> bool:
                return question.answer_in(there) is not None

            record = self._records.publish(source_questions.KIND, key, answer.record(question), is_sound)
            known = SourceAnswer.of(record)
        return known

    def _with_precedent(self, question: SourceQuestion, answer: SourceAnswer) -> SourceAnswer:
        """Return the answer with one more source, if its encoder's decisions are of use (`PatchMaker.precedent`)."""
        numbers = {each.digest: number for number, each in enumerate(question.candidates)}
        likeness = [each.likeness for each in question.candidates]
        others = [question.candidates[each] for each in precedents(likeness, {numbers[s] for s in answer.sources})]
        sizes = {each.digest: each.size for each in question.candidates}
        sources = [self._layer(digest, sizes[digest]) for digest in answer.sources]
        layers = (self._layer(each.digest, each.size) for each in others)
        further = self._maker(sources).precedent(self._target, sources, layers)
        return answer if further is None else SourceAnswer((*answer.chosen, ChosenSource(further.blob.digest, 0)))

    def _judge(self, candidates: Sequence[Candidate]) -> Sequence[int]:
        sources = [self._layer(each.digest, each.size) for each in candidates]
        return self._maker(sources).compare(self._target, sources)

    def _make(self, sources: Sequence[tuple[Digest, int]], share: Share) -> StoredPatch:
        """Return the patch out of `sources`, which is a blob of the store now."""
        layers = [self._layer(digest, size) for digest, size in sources]
        with ExitStack() as stack:
            made = self._maker(layers).patch(self._target, layers, share)
            if made is None:
                return StoredPatch(None)
            stack.callback(made.file.close)
            self._store.objects.put(blob_name(made.step.patch), made.file.pieces())
        return StoredPatch(made.step, made.features)

    def _maker(self, sources: Sequence[LayerBlob]) -> PatchMaker:
        layers = [self._target, *sources]
        return PatchMaker(
            self._spooled, layers, self._uncompressed, self._settings.effort, self._execution, budget=self._budget
        )

    @cached_property
    def _target(self) -> LayerBlob:
        return self._layer(self._task.target, self._task.size)

    def _layer(self, digest: Digest, size: int) -> LayerBlob:
        """Return what is known of a layer, which can be read from now on."""
        if digest not in self._layers:
            self._spooled.fetch(digest, size)
            blob = Blob(digest, size, UNKNOWN_TYPE)
            facts = facts_of(self._store, [blob], self._alone)[digest]
            if facts is None:
                raise IntegrityError(f"{digest}: does not decompress, and the plan takes it for a layer")
            self._layers[digest] = LayerBlob(blob, facts.compression, facts.uncompressed_size)
        return self._layers[digest]
