"""What a patch leaves out is exactly what every base has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.format.index import Base, Disposition
from airpatch.format.index_encoding import emit_index, parse_index
from airpatch.model.digest import Digest
from airpatch.patches.bases import BaseState
from airpatch.patches.patch_plan import plan_patch
from tests.patches.support import releases
from tests.target import support
from tests.target.support import Sample

R1, R2, R3 = support.r1(), support.r2(), support.r3()


@settings(max_examples=50)
@given(releases(9), st.lists(st.tuples(releases(1), st.data()), min_size=1, max_size=3))
def test_left_out_is_exactly_what_every_base_has(new: Sample, drawn: list[tuple[Sample, st.DataObject]]) -> None:
    """Bases are parts of releases, some with blobs of another size, and of `new` itself."""
    states = []
    for number, (old, data) in enumerate(drawn):
        known = {b.digest: b.size for b in (*old.release.blobs, *new.release.blobs)}
        some = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True))
        wrong = data.draw(st.sets(st.sampled_from(some))) if some else set()
        blobs = {digest: known[digest] + (digest in wrong) for digest in some}
        repositories = frozenset(image.name.repository for image in old.release.images)
        states.append(BaseState(Base(Digest.of(b"%d" % number), f"base {number}"), blobs, repositories))
    index = plan_patch(new.release, states)
    for blob, disposition in zip(new.release.blobs, index.dispositions, strict=True):
        everywhere = all((blob.digest, blob.size) in state.blobs.items() for state in states)
        assert disposition is (Disposition.LEFT_OUT if everywhere else Disposition.STORED)
    assert set(index.stored).isdisjoint(index.left_out)
    assert set(index.stored) | set(index.left_out) == set(new.release.blobs)
    present = {image.name.repository for image in new.release.images}
    assert set(index.removed) == {name for state in states for name in state.repositories} - present
    assert {base.name for base in index.bases} == {state.base.name for state in states}
    assert parse_index(emit_index(index)) == index


def test_what_another_product_has_is_not_removed() -> None:
    state = replace(R1.base, repositories=R1.base.repositories | {"of/another"}, product="another")
    assert R1.release.product == "default"
    assert plan_patch(R2.release, [state]).removed == ()
    assert "of/another" in plan_patch(R2.release, [replace(state, product="default")]).removed


@given(st.permutations([R1.base, R2.base, R3.base]))
def test_the_order_of_bases_does_not_matter(bases: list[BaseState]) -> None:
    assert plan_patch(R3.release, bases) == plan_patch(R3.release, [R1.base, R2.base, R3.base])


def test_a_base_that_is_given_twice_counts_once() -> None:
    index = plan_patch(R2.release, [R1.base, R1.base])
    assert index == plan_patch(R2.release, [R1.base])
    assert len(index.bases) == 1


def test_one_state_under_two_names_is_one_base() -> None:
    other = replace(R1.base, base=Base(R1.id, "another name"))
    assert len(plan_patch(R2.release, [R1.base, other]).bases) == 1


def test_no_change_leaves_everything_out() -> None:
    index = plan_patch(R1.release, [R1.base])
    assert (index.stored, index.removed, index.is_full) == ((), (), False)
    assert index.release_id == R1.id


def test_images_that_are_gone_are_recorded() -> None:
    assert plan_patch(R3.release, [R1.base]).removed == ("proxy",)
    assert plan_patch(R1.release, [R3.base]).removed == ("tools",)
    assert plan_patch(R2.release, [R1.base, R3.base]).removed == ("tools",)


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_adversary_29_a_blob_of_another_size_is_stored(size: int) -> None:
    blob = R2.release.blobs[0]
    assert plan_patch(R2.release, [R1.base]).dispositions[0] is Disposition.LEFT_OUT
    base = BaseState(R1.base.base, {**R1.base.blobs, blob.digest: size}, R1.base.repositories)
    assert plan_patch(R2.release, [base]).dispositions[0] is Disposition.STORED
    assert plan_patch(R2.release, [R1.base, base]).dispositions[0] is Disposition.STORED
