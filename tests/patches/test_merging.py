"""Merging gives what the sender would have made: the full bundle, or one patch of a chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from airpatch.errors import AirpatchError, BaseMismatch, FormatError, SourceError, UsageError
from airpatch.format.index import Base, Disposition, Index
from airpatch.model.digest import Digest
from airpatch.patches.patch_plan import plan_patch
from tests.patches.support import chains, merge, merge_chain, stored, written
from tests.support import contents_of
from tests.target.support import LAYERS, Sample, descriptors, index_of, install, outside, sample, served, temporary

LARGE = Digest.of(LAYERS["large"])


# Full bundles


@settings(max_examples=20)
@given(chains())
def test_full_bundle_and_patches_give_the_full_bundle_of_the_last_release(chain: list[Sample]) -> None:
    patches = [new.patch(old) for old, new in pairwise(chain)]
    with temporary() as place:
        merged = merge(stored(place, chain[0].full, *patches))
        assert merged.index == Index.full(chain[-1].release)
        assert written(merged) == chain[-1].full


def test_the_three_releases(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    assert written(merge(stored(place, r1.full, r2.patch(r1)))) == r2.full
    assert written(merge(stored(place, r1.full, r2.patch(r1), r3.patch(r2)))) == r3.full
    assert written(merge(stored(place, r2.full, r3.patch(r1, r2)))) == r3.full
    assert written(merge(stored(place, r3.full, r1.patch(r3)))) == r1.full


def test_a_patch_without_change(place: Path, r1: Sample) -> None:
    assert written(merge(stored(place, r1.full, r1.patch(r1)))) == r1.full


def test_a_patch_that_renumbers_the_release(place: Path, r1: Sample) -> None:
    renamed = sample(r1.builder, "other", 9)
    assert written(merge(stored(place, r1.full, renamed.patch(r1)))) == renamed.full


def test_a_patch_that_fits_by_chance(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    """It was made for another base; what it needs is there all the same."""
    patch = r2.patch(r1, r3)
    both = sample(r1.builder, "both")
    assert written(merge(stored(place, both.full, patch))) == r2.full


# One patch of a chain


@settings(max_examples=15)
@given(chains(3, 4))
def test_a_merged_patch_does_what_its_chain_does(chain: list[Sample]) -> None:
    patches = [new.patch(old) for old, new in pairwise(chain)]
    last = chain[-1]
    with temporary() as place:
        merged = merge_chain(stored(place, *patches))
        bundle = written(merged)
        assert index_of(bundle) == merged.index
        assert merged.index.release_id == last.id
        assert merged.index.bases == (chain[0].base.base,)
        install(place / "one", chain[0].full)
        install(place / "one", bundle)
        assert served(place / "one") == chain[0].tags | last.tags
        assert written(merge(stored(place, chain[0].full, bundle))) == last.full
        stored_ = {blob.digest for blob in merged.index.stored}
        assert stored_ <= {digest for patch in patches for digest in (b.digest for b in index_of(patch).stored)}
        direct = plan_patch(last.release, [chain[0].base])
        assert {blob.digest for blob in direct.stored} <= stored_
        assert set(direct.removed) <= set(merged.index.removed)


def test_applying_the_merged_patch_or_both_is_the_same(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    p12, p23 = r2.patch(r1), r3.patch(r2)
    p13 = written(merge_chain(stored(place, p12, p23)))
    for name, bundles in {"one": [r2.full, p13], "two": [r2.full, p23]}.items():
        install(place / name, r1.full, *bundles)
    assert outside(place / "one") == outside(place / "two")
    assert index_of(p13).removed == ("proxy",)


def test_the_merged_patch_of_this_chain_is_the_direct_one(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    assert written(merge_chain(stored(place, r2.patch(r1), r3.patch(r2)))) == r3.patch(r1)


def test_a_blob_that_comes_back_is_stored(place: Path, r1: Sample, r3: Sample) -> None:
    """r3 dropped it, so that a target is free to have lost it."""
    merged = merge_chain(stored(place, r3.patch(r1), r1.patch(r3)))
    assert LARGE in {blob.digest for blob in merged.index.stored}
    assert merged.index.release_id == r1.id


def test_a_merged_patch_fits_all_bases_of_the_first(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    bundle = written(merge_chain(stored(place, r2.patch(r1, r3), r1.patch(r2))))
    assert {base.name for base in index_of(bundle).bases} == {"r1", "r3"}
    install(place / "on r3", r3.full)
    install(place / "on r3", bundle, allow_downgrade=True)
    assert served(place / "on r3") == r3.tags | r1.tags


# What does not fit


def test_a_patch_where_a_full_bundle_belongs(place: Path, r1: Sample, r2: Sample) -> None:
    with pytest.raises(UsageError, match=r"1: is a patch; begin with a full bundle"):
        merge(stored(place, r2.patch(r1), r2.patch(r1)))


@pytest.mark.parametrize("call", [merge, merge_chain])
def test_a_full_bundle_where_a_patch_belongs(place: Path, r1: Sample, r2: Sample, call: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match=r"2: is a full bundle, where a patch is expected|1: is a full bundle"):
        call(stored(place, r1.full, r2.full))


@pytest.mark.parametrize("call", [merge, merge_chain])
def test_one_bundle_is_not_enough(place: Path, r1: Sample, r2: Sample, call: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="two bundles"):
        call(stored(place, r1.full if call is merge else r2.patch(r1)))


def test_adversary_13_a_patch_for_another_release(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    with pytest.raises(BaseMismatch, match=r"was made for r1 and does not fit .*/1, which is release r3") as caught:
        merge(stored(place, r3.full, r2.patch(r1)))
    lacking = {blob for blob in r2.release.blobs if blob in r1.release.blobs} - set(r3.release.blobs)
    assert f"it lacks {len(lacking)} blobs of 2" in caught.value.message
    assert any(LARGE.hex in line and line.startswith("shop/web:r2") for line in caught.value.findings)


def test_adversary_13_a_chain_in_another_order(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    with pytest.raises(BaseMismatch):
        merge(stored(place, r3.full, r2.patch(r1)))
    with pytest.raises(BaseMismatch):
        merge_chain(stored(place, r3.patch(r2), r2.patch(r1)))


def test_adversary_29_a_left_out_blob_of_another_size_does_not_fit(place: Path, r1: Sample, r2: Sample) -> None:
    release = replace(
        r2.release, blobs=tuple(replace(b, size=b.size + 1) if b.digest == LARGE else b for b in r2.release.blobs)
    )
    dispositions = tuple(Disposition.LEFT_OUT if b.digest == LARGE else Disposition.STORED for b in release.blobs)
    patch = r2.pack(Index(release, dispositions, (Base(r1.id, "r1"),)))
    with pytest.raises(BaseMismatch, match="does not fit") as caught:
        merge(stored(place, r1.full, patch))
    assert caught.value.findings == (f"shop/web:r2 and 1 more image: {LARGE} of 205 kB",)


def test_adversary_33_a_patch_whose_table_is_not_that_of_its_manifests(place: Path, r1: Sample, r2: Sample) -> None:
    index = plan_patch(r2.release, [r1.base])
    first, *others = index.release.blobs
    blobs = (replace(first, media_type="application/x-other"), *others)
    lying = r2.pack(replace(index, release=replace(index.release, blobs=blobs)))
    with pytest.raises(FormatError):
        merge(stored(place, r1.full, lying))


@pytest.mark.parametrize("which", [1, 2])
def test_adversary_27_damaged_content_is_not_merged(place: Path, r1: Sample, r2: Sample, which: int) -> None:
    bundles = stored(place, r1.full, r2.patch(r1))
    content = contents_of([r1.full, r2.patch(r1)][which - 1])
    assert len(content) > 2
    path = place / str(which)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises((SourceError, FormatError)):
        written(merge(bundles))


def test_nothing_is_left_open(place: Path, r1: Sample, r2: Sample) -> None:
    before = descriptors()
    bundles = stored(place, r1.full, r2.patch(r1))
    written(merge(bundles))
    del bundles
    with pytest.raises(AirpatchError):
        merge(stored(place, r2.patch(r1), r1.full))
    assert descriptors() == before
