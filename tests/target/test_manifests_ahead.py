"""The manifests of a bundle before it is read to its end: all of them, those that can be had, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.errors import FormatError
from airpatch.model.manifest import parse_manifest
from airpatch.target.check import ManifestsAhead
from airpatch.target.manifests_ahead import manifests_ahead
from airpatch.target.root import Root
from tests.target.support import Sample, damage, drop, feeds, install


def ahead(sample: Sample, bundle: bytes, root: Path | None = None, kind: str = "file") -> ManifestsAhead:
    with feeds(bundle, kind=kind) as (reader,):
        if root is None:
            return manifests_ahead(reader, None, sample.release)
        with Root(root) as opened:
            return manifests_ahead(reader, opened, sample.release)


def test_a_full_bundle_in_a_file_has_all(r1: Sample) -> None:
    parsed = {digest: parse_manifest(content) for digest, content in r1.builder.manifests.items()}
    assert ahead(r1, r1.full) == ManifestsAhead(parsed, are_all=True)


def test_manifests_that_need_other_blobs_than_the_release_has_are_not_all(r1: Sample) -> None:
    release = replace(r1.release, blobs=r1.release.blobs[1:])
    with feeds(r1.full) as (reader,):
        found = manifests_ahead(reader, None, release)
    assert len(found.found) == len(r1.builder.manifests)
    assert not found.are_all


def test_the_reader_is_not_moved(r1: Sample, root: Path) -> None:
    with feeds(r1.full) as (reader,):
        manifests_ahead(reader, None, r1.release)
        assert isinstance(reader, FileFrameReader)
        assert reader.passed == 0


def test_a_pipe_is_left_alone(r1: Sample, root: Path) -> None:
    assert ahead(r1, r1.full, kind="pipe") == ManifestsAhead({}, are_all=False)


def test_what_a_patch_leaves_out_is_on_the_root(r1: Sample, r2: Sample, root: Path) -> None:
    patch = r2.patch(r1)
    alone = ahead(r2, patch)
    install(root, r1.full)
    assert ahead(r2, patch, root).are_all
    assert ahead(r2, patch, root, kind="pipe").found.items() <= ahead(r2, patch, root).found.items()
    assert (alone.are_all, len(alone.found)) == (False, sum(b.is_manifest for b in r2.release.blobs) - 2)


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_manifests_that_are_gone_or_damaged_are_passed_over(r1: Sample, r2: Sample, root: Path, how: str) -> None:
    install(root, r1.full)
    left_out = [b.digest for b in r2.release.blobs if b.is_manifest and b in r1.release.blobs]
    drop(root, [left_out[0]]) if how == "gone" else damage(root, left_out[0])
    found = ahead(r2, r2.patch(r1), root)
    assert not found.are_all
    assert left_out[0] not in found.found


def test_a_damaged_bundle_gives_right_ones_or_fewer(r1: Sample) -> None:
    """What is wrong is told when it is read in its turn."""
    right = ahead(r1, r1.full)
    fewer = 0
    for at in range(0, len(r1.full), 61):
        damaged = bytearray(r1.full)
        damaged[at] ^= 1
        try:
            found = ahead(r1, bytes(damaged))
        except FormatError:  # its seek table
            continue
        assert found.found.items() <= right.found.items()
        fewer += not found.are_all
    assert fewer
