"""Questions and answers come back; the answer is that of the differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.product_line.source_questions import Candidate, SourceAnswer, SourceQuestion
from tests.product_line.conftest import SETTINGS

digests = st.binary(min_size=32, max_size=32).map(Digest)
answers = st.lists(
    st.builds(ChosenSource, digests, st.integers(0, 2**40), st.lists(digests, max_size=2).map(tuple)), max_size=3
).map(lambda found: SourceAnswer(tuple(found)))
TARGET = Digest.of(b"target")
QUESTION = SourceQuestion(
    TARGET, 10, 2, (Candidate(Digest.of(b"a"), 5, 7), Candidate(Digest.of(b"b"), 6, 0, unpacked=True))
)


@given(answers)
def test_answers_come_back(answer: SourceAnswer) -> None:
    record = answer.record(QUESTION)
    assert record.of == (TARGET, Digest.of(b"a"), Digest.of(b"b"))
    assert SourceAnswer.of(record) == answer


def test_questions_come_back() -> None:
    assert SourceQuestion.from_plain(TARGET, 10, QUESTION.to_plain()) == QUESTION


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], [1], [1, 2], [65, []]),
        *([1, [[b"", 1, 1, 0]]], [1, [[bytes(32), 1, 8, 0]]], [1, [[bytes(32), 1, 1, 2]]], [1, [[bytes(32), 1, 1]]]),
    ],
)
def test_what_is_no_question(value: object) -> None:
    with pytest.raises(FormatError):
        SourceQuestion.from_plain(TARGET, 10, value)


def test_the_key_tells_candidates_and_their_places_apart() -> None:
    first, second = QUESTION.candidates
    others = [(first,), (second, first), (first, Candidate(second.digest, second.size, 1))]
    others.append((first, Candidate(second.digest, second.size, second.likeness, unpacked=False)))
    keys = {SourceQuestion(TARGET, 10, 2, each).key(SETTINGS) for each in others}
    assert len({*keys, QUESTION.key(SETTINGS)}) == 5


def test_a_layer_that_does_not_decompress_is_no_candidate() -> None:
    with pytest.raises(FormatError, match="does not decompress"):
        QUESTION.answer({each.digest: None for each in QUESTION.candidates} | {TARGET: None}, None)
