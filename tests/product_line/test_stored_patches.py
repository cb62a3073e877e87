"""Layer patches come back from their records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.effort import Effort
from airpatch.errors import FormatError
from airpatch.format.index import Feature, Step
from airpatch.model.digest import Digest
from airpatch.product_line.source_questions import PatchSettings
from airpatch.product_line.stored_patches import StoredPatch, patch_key
from airpatch.store.layer_records import LayerRecord

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
sizes = st.integers(0, 2**40)
steps = st.builds(Step, st.just(A), sizes, sizes, st.just(C), sizes, st.sampled_from([(), (B,), (B, C)]), sizes)
features = st.frozensets(st.builds(Feature, st.text(max_size=5), st.just("0.1")), max_size=3)


@given(steps, features)
def test_patches_come_back(step: Step, asked: frozenset[Feature]) -> None:
    patch = StoredPatch(step, asked)
    assert StoredPatch.of(patch.record(A, step.sources)) == patch


def test_that_there_is_none_comes_back() -> None:
    record = StoredPatch(None).record(A, (B,))
    assert record.of == (A, B)
    assert StoredPatch.of(record) == StoredPatch(None)


@pytest.mark.parametrize(
    "record",
    [
        LayerRecord((A,), None, ((C, 1),)),
        LayerRecord((), [1, 2, 3, []], ((C, 1),)),
        LayerRecord((A,), [1, 2, 3, [["a"]]], ((C, 1),)),
        LayerRecord((A,), [1, -2, 3, []], ((C, 1),)),
        LayerRecord((A,), "x", ((C, 1),)),
    ],
)
def test_records_of_another_form_are_refused(record: LayerRecord) -> None:
    with pytest.raises(FormatError):
        StoredPatch.of(record)


def test_keys_tell_everything_apart_that_decides() -> None:
    fast, best = PatchSettings(Effort.FAST, 1), PatchSettings(Effort.BEST, 1)
    keys = {
        patch_key(fast, A, (B, C)), patch_key(fast, A, (C, B)), patch_key(fast, B, (C,)), patch_key(fast, A, ()),
        patch_key(best, A, (B, C)), patch_key(PatchSettings(Effort.FAST, 2), A, (B, C)),
    }  # fmt: skip
    assert len(keys) == 6
