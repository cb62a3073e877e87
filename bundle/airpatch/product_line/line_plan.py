"""A plan: the pairs of releases between which patches are wanted, and the tasks that make what the store lacks.

It is a file, so that any number of workers can take it (spec/STORE.md, Plans).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airpatch.delta.effort import Effort
from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.format.fields import bytes_, fields, integer, list_, rows, text
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.product_line.codec import CODEC
from airpatch.product_line.patch_tasks import PatchTask
from airpatch.product_line.source_questions import PatchSettings, SourceQuestion

MAX_PLAN = 256 << 20
"""Bytes."""
_WHAT = "a plan"


@dataclass(frozen=True, slots=True)
class LinePlan:
    """`pairs` are the ids of a release and of the one that a patch leads to; `tasks` are ordered by falling work."""

    settings: PatchSettings
    pairs: tuple[tuple[Digest, Digest], ...]
    tasks: tuple[PatchTask, ...]

    @property
    def questions(self) -> int:
        """How many layer patches the tasks are asked for, each once."""
        return sum(len(task.questions) for task in self.tasks)

    @property
    def work(self) -> int:
        """Bytes of work of all tasks."""
        return sum(task.work for task in self.tasks)

    def shard(self, number: int, count: int) -> tuple[PatchTask, ...]:
        """Return those of the tasks that the worker `number` of `count`, from 1 on, does, about as much as others."""
        return self.tasks[number - 1 :: count]


def tasks_for(questions: Iterable[tuple[SourceQuestion, int]], settings: PatchSettings) -> tuple[PatchTask, ...]:
    """Return the tasks that answer `questions`, each with the bytes of its target uncompressed. Equal ones are one."""
    by_target: defaultdict[tuple[Digest, int, int], dict[Digest, SourceQuestion]] = defaultdict(dict)
    for question, uncompressed in questions:
        asked = by_target[question.target, question.size, uncompressed]
        asked.setdefault(question.key(settings), question)
    tasks = [PatchTask(*target, tuple(asked.values())) for target, asked in by_target.items()]
    return tuple(sorted(tasks, key=lambda task: (-task.work, task.target)))


def emit_plan(plan: LinePlan) -> bytes:
    """Return the bytes of a plan's file."""
    value = {
        "codec": CODEC,
        "effort": plan.settings.effort.name.lower(),
        "memory": plan.settings.memory,
        "pairs": [[base.raw, target.raw] for base, target in plan.pairs],
        "tasks": [
            [task.target.raw, task.size, task.uncompressed_size, [each.to_plain() for each in task.questions]]
            for task in plan.tasks
        ],
    }
    return sealed.seal(magics.PLAN, value)


def parse_plan(content: bytes) -> LinePlan:
    """Return the plan in a file. Raises FormatError if it is none, damaged, or of another version of airpatch."""
    if sealed.sealed_size(content[: sealed.PREFIX], magics.PLAN, MAX_PLAN, _WHAT) != len(content):
        raise FormatError(f"{_WHAT} that is cut short, or longer than it says")
    keys = ("codec", "effort", "memory", "pairs", "tasks")
    codec, effort, memory, pairs, tasks = fields(sealed.unseal(content, _WHAT), keys, _WHAT)
    if text(codec) != CODEC:
        raise FormatError(
            f"{_WHAT} made by another version of airpatch ({codec}), whose layer patches may have other bytes: make it "
            "again, and use the same version everywhere"
        )
    efforts = {each.name.lower(): each for each in Effort}
    if text(effort) not in efforts:
        raise FormatError(f"{_WHAT} with an effort that this airpatch does not know")
    plan = LinePlan(
        PatchSettings(efforts[text(effort)], integer(memory, MAX_BLOB)),
        tuple((Digest(bytes_(base)), Digest(bytes_(target))) for base, target in rows(pairs, 2)),
        tuple(_task(*row) for row in rows(tasks, 4)),
    )
    if emit_plan(plan) != content:
        raise FormatError(f"{_WHAT} that is not in canonical form")
    return plan


def _task(target: object, size: object, uncompressed: object, questions: object) -> PatchTask:
    digest, size = Digest(bytes_(target)), integer(size, MAX_BLOB)
    asked: Sequence[object] = list_(questions)
    return PatchTask(
        digest,
        size,
        integer(uncompressed, MAX_BLOB),
        tuple(SourceQuestion.from_plain(digest, size, each) for each in asked),
    )
