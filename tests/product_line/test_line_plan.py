"""Plans come back from their files; what is no plan, or of another version, is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.effort import Effort
from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.model.digest import Digest
from airpatch.product_line.line_plan import LinePlan, emit_plan, parse_plan, tasks_for
from airpatch.product_line.source_questions import Candidate, PatchSettings, SourceQuestion

sizes = st.integers(0, 2**40)
digests = st.integers(0, 9).map(lambda number: Digest.of(bytes([number])))
candidates = st.builds(Candidate, digests, sizes, st.integers(0, 7), st.booleans())
questions = st.builds(
    lambda target, halvings, found: SourceQuestion(target, 7, halvings, found),
    digests, st.integers(0, 48), st.lists(candidates, max_size=3).map(tuple),
)  # fmt: skip
settings = st.builds(PatchSettings, st.sampled_from(Effort), sizes)


@st.composite
def plans(draw: st.DrawFn) -> LinePlan:
    chosen = draw(settings)
    asked = draw(st.lists(questions, max_size=6))
    pairs = tuple(draw(st.lists(st.tuples(digests, digests), max_size=3)))
    return LinePlan(chosen, pairs, tasks_for([(each, 9) for each in asked], chosen))


@given(plans())
def test_plans_come_back(plan: LinePlan) -> None:
    assert parse_plan(emit_plan(plan)) == plan


@given(plans(), st.integers(1, 5))
def test_shards_are_all_of_it_once(plan: LinePlan, count: int) -> None:
    shards = [task for number in range(1, count + 1) for task in plan.shard(number, count)]
    assert sorted(task.target for task in shards) == [
        task.target for task in sorted(plan.tasks, key=lambda t: t.target)
    ]


@given(st.lists(questions, max_size=9), settings)
def test_equal_questions_are_asked_once(asked: list[SourceQuestion], chosen: PatchSettings) -> None:
    tasks = tasks_for([(each, 9) for each in asked], chosen)
    keys = [each.key(chosen) for task in tasks for each in task.questions]
    assert len(keys) == len(set(keys))
    assert set(keys) == {each.key(chosen) for each in asked}
    assert [task.work for task in tasks] == sorted((task.work for task in tasks), reverse=True)


@given(plans(), st.data())
def test_any_damage_is_found(plan: LinePlan, data: st.DataObject) -> None:
    content = bytearray(emit_plan(plan))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(content), bytes(content[:place]), emit_plan(plan) + b"x"):
        with pytest.raises(FormatError):
            parse_plan(damaged)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"codec": "0.0.9", "effort": "fast", "memory": 1, "pairs": [], "tasks": []}, "another version of airpatch"),
        ({"codec": "", "effort": "fast"}, "must have the fields"),
        ([], "must have the fields"),
    ],
)
def test_what_is_no_plan_of_this_version(value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_plan(sealed.seal(magics.PLAN, value))
