"""What a root has of a bundle's blobs, and the rules that let a bundle be applied."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.errors import BaseMismatch, FormatError, IntegrityError, TargetError, TrustError
from airpatch.format import registry
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.model.release import MAX_SEQUENCE, Blob
from airpatch.patches.patch_plan import plan_patch
from airpatch.target import check
from airpatch.target.check import InstallPlan
from airpatch.target.root import Root
from tests.support import Builder, Recorder, execution
from tests.target.support import LAYERS, Sample, blob_file, damage, descriptors, drop, install, sample, snapshot

LARGE = Digest.of(LAYERS["large"])
WRONG = ["empty", "short", "first", "middle", "last"]


@pytest.fixture
def patch(r1: Sample, r2: Sample) -> Index:
    return plan_patch(r2.release, [r1.base])


def examine(path: Path, index: Index, coming: Iterable[Digest] = (), **options: bool) -> InstallPlan:
    with Root(path) as root, ThreadPoolExecutor(2) as pool:
        return check.examine(
            root, index, {*coming, *(b.digest for b in index.stored)}, set(), pool, execution(), **options
        )


def digests(blobs: Iterable[Blob]) -> set[Digest]:
    return {blob.digest for blob in blobs}


# Blobs


def test_a_root_that_does_not_exist_has_nothing(patch: Index) -> None:
    with ThreadPoolExecutor(1) as pool:
        plan = check.examine(None, patch, set(), set(), pool, execution())
    assert (plan.present, plan.wrong) == (set(), set())
    assert plan.missing == list(patch.left_out)
    assert plan.to_write == patch.stored


def test_what_is_there_need_not_be_written(root: Path, r1: Sample, patch: Index) -> None:
    install(root, r1.full)
    plan = examine(root, patch)
    assert plan.missing == []
    assert plan.present == digests(patch.left_out)
    assert plan.to_write == patch.stored
    again = examine(root, Index.full(r1.release))
    assert again.to_write == ()
    assert again.present == digests(r1.release.blobs)


@pytest.mark.parametrize("kind", WRONG)
def test_adversary_27_29_a_wrong_blob_that_the_bundle_brings_will_be_written(root: Path, r1: Sample, kind: str) -> None:
    install(root, r1.full)
    damage(root, LARGE, kind)
    plan = examine(root, Index.full(r1.release))
    assert plan.wrong == digests(plan.to_write) == {LARGE}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("deep", [False, True])
def test_adversary_29_a_wrong_blob_that_the_bundle_leaves_out_is_missing(
    root: Path, r1: Sample, patch: Index, kind: str, deep: bool
) -> None:
    """Without `deep` only its size is looked at."""
    install(root, r1.full)
    damage(root, LARGE, kind)
    plan = examine(root, patch, deep=deep)
    seen = deep or kind in ("empty", "short")
    assert digests(plan.missing) == ({LARGE} if seen else set())
    assert digests(examine(root, patch, {LARGE}, deep=deep).missing) == set()


@pytest.mark.parametrize("kind", WRONG)
def test_manifests_that_are_left_out_are_always_hashed(root: Path, r1: Sample, patch: Index, kind: str) -> None:
    manifest = next(blob.digest for blob in patch.left_out if blob.is_manifest)
    install(root, r1.full)
    damage(root, manifest, kind)
    assert digests(examine(root, patch).missing) == {manifest}


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_adversary_18_29_what_is_no_file_in_a_blob_s_place_is_named(root: Path, r1: Sample, kind: str) -> None:
    install(root, r1.full)
    file = blob_file(root, LARGE)
    file.rename(root / "copy")
    if kind == "folder":
        file.mkdir()
    elif kind == "link":
        file.symlink_to(root / "copy")
    else:
        os.mkfifo(file)
    before = snapshot(root)
    with pytest.raises(TargetError, match="not a regular file; remove it") as caught:
        install(root, r1.full)
    assert LARGE.hex in caught.value.message
    assert snapshot(root) == before


def test_adversary_53_a_blob_that_vanishes_before_it_is_hashed_is_not_right(
    root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(root, r1.full)
    original = Root.open

    def vanishing(self: Root, path: str) -> int:
        if path == registry.blob_path(LARGE) and blob_file(root, LARGE).exists():
            drop(root, [LARGE])
        return original(self, path)

    monkeypatch.setattr(Root, "open", vanishing)
    progress = Recorder()
    with Root(root) as files, ThreadPoolExecutor(2) as pool:
        plan = check.examine(files, Index.full(r1.release), set(), set(), pool, execution(2, progress))
    assert plan.wrong == {LARGE}
    assert progress.adds_up


def test_adversary_57_an_unreadable_blob_is_a_target_error(
    root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(root, r1.full)

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "readv", fail)
    before = descriptors()
    with pytest.raises(TargetError, match="cannot be read: Input/output error"):
        examine(root, Index.full(r1.release))
    assert descriptors() == before


def test_progress_counts_what_is_hashed(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    progress = Recorder()
    with Root(root) as files, ThreadPoolExecutor(2) as pool:
        check.examine(files, Index.full(r1.release), set(), set(), pool, execution(2, progress))
    assert [part.total for part in progress.parts] == [r1.release.size]
    assert progress.adds_up


def test_manifests_are_read_only_if_right(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    digest = r1.release.images[0].manifest
    with Root(root) as files:
        assert Digest.of(check.read_manifest(files, digest)) == digest
        damage(root, digest)
        with pytest.raises(IntegrityError, match="does not have its digest"):
            check.read_manifest(files, digest)
        with pytest.raises(BaseMismatch, match="is not there"):
            check.read_manifest(files, Digest.of(b""))


def test_missing_blobs_are_listed_each_once(root: Path, r1: Sample, patch: Index) -> None:
    install(root, r1.full)
    damage(root, LARGE, "short")
    digest = patch.left_out[1].digest
    drop(root, [digest])
    plans = [examine(root, patch), examine(root, patch)]
    with pytest.raises(BaseMismatch, match=r"lacks 2 blobs of 207 kB .* made for r1\.") as caught:
        check.require_base(plans, root, is_new=False)
    assert caught.value.findings == (
        "images whose manifests are not here: 2 blobs of 207 kB (1 of them there, but damaged)",
    )


# Sequence numbers


def numbered(number: int, name: str = "shop/web:r", product: str = "default") -> Sample:
    builder = Builder()
    builder.tag(f"{name}{number % 100}", builder.picture([b"%d" % number]))
    return sample(builder, f"n{number}", number, product)


def test_adversary_7_an_older_sequence_needs_permission(root: Path) -> None:
    install(root, numbered(2).full)
    before = snapshot(root)
    for older in (0, 1):
        with pytest.raises(TrustError, match=r"after n2, number 2; .*use 'airpatch apply --allow-downgrade'"):
            install(root, numbered(older).full)
    assert snapshot(root) == before
    install(root, numbered(2).full, numbered(3).full)
    with pytest.raises(TrustError):
        install(root, numbered(2).full)
    install(root, numbered(2).full, allow_downgrade=True)


def test_adversary_7_bundles_of_one_call_are_in_order_too(root: Path) -> None:
    with pytest.raises(TrustError, match=r"^release n2, number 2, would come after n3, number 3; .*use"):
        install(root, numbered(3).full, numbered(2).full)
    assert not (root / "docker").exists()
    assert len(install(root, numbered(3).full, numbered(2).full, allow_downgrade=True)) == 2


def test_adversary_9_the_greatest_sequence_number(root: Path) -> None:
    install(root, numbered(MAX_SEQUENCE).full)
    install(root, numbered(MAX_SEQUENCE).full)
    with pytest.raises(TrustError):
        install(root, numbered(MAX_SEQUENCE - 1).full)


def test_another_product_has_numbers_of_its_own(root: Path) -> None:
    install(root, numbered(5).full)
    install(root, numbered(1, "other/web:r", "other").full)
    with pytest.raises(TrustError):
        install(root, numbered(4).full)


def test_adversary_8_a_refused_bundle_leaves_no_state(root: Path) -> None:
    install(root, numbered(2).full)
    with pytest.raises(TrustError):
        install(root, numbered(1).full)
    assert len(os.listdir(root / ".airpatch/releases")) == 1
    assert not (root / ".airpatch/journal").exists()


def test_more_blobs_than_are_hashed_at_once(root: Path) -> None:
    builder = Builder()
    builder.tag("many:r1", builder.picture([b"layer %d" % number for number in range(40)]))
    many = sample(builder, "r1")
    install(root, many.full)
    wrong = many.release.blobs[20].digest
    damage(root, wrong)
    with Root(root) as files, ThreadPoolExecutor(2) as pool:
        found = dict(check.hash_blobs(files, many.release.blobs, pool))
    assert [blob.digest for blob, right in found.items() if not right] == [wrong]
    assert len(found) == len(many.release.blobs)


def test_bundles_that_contradict_each_other_are_refused(r1: Sample) -> None:
    index = Index.full(r1.release)
    first = r1.release.blobs[0]
    other = replace(r1.release, name="r2", blobs=(replace(first, size=first.size + 1), *r1.release.blobs[1:]))
    check.require_agreement([index, index])
    with pytest.raises(FormatError, match=f"{first.digest} has {first.size + 1} bytes in r2 and {first.size} in r1"):
        check.require_agreement([index, Index.full(other)])
