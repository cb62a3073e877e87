"""The order of members, and how their records are cut into frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.format import layout, tar
from airpatch.format.index import Base, Disposition, Index, Step
from airpatch.format.layout import FRAME, GROUP, SMALL, FramePlan, Packing
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_MANIFEST, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Blob, Image, Release
from tests.support import Builder

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def paths(plans: Iterable[FramePlan]) -> list[str]:
    return [piece.member.path for plan in plans for piece in plan.pieces if piece.start == 0]


def test_members_in_the_order_in_which_a_target_may_be_written(sample: Builder) -> None:
    index = Index.full(sample.release)
    manifests = {digest: parse_manifest(content) for digest, content in sample.manifests.items()}
    assert paths(layout.index_section(b"x")) == [".airpatch/index"]
    data = paths(layout.data_section(index))
    signatures = [path for path in data if path.startswith(".airpatch/signatures/")]
    assert data[: len(signatures)] == signatures == sorted(signatures)
    assert [path.rsplit("/", 1)[1] for path in signatures] == ["signature-1", "signature-1", "signature-2"]
    blobs = [*data[len(signatures) :], *paths(layout.manifests_section(index))]
    assert [path.split("/")[-2] for path in blobs] == [blob.digest.hex for blob in index.release.blobs]
    links = paths(layout.links_section(index, manifests))
    kinds = [next(k for k in ("_layers", "revisions", "index", "current", "end") if k in path) for path in links]
    assert [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]] == [
        "_layers",
        "revisions",
        "index",
        "current",
        "end",
    ]


def index_of(blobs: Iterable[tuple[int, str]]) -> Index:
    rows = [Blob(Digest.of(str(i).encode()), size, kind) for i, (size, kind) in enumerate(blobs)]
    manifest = Blob(Digest.of(b"manifest"), 100, OCI_MANIFEST)
    release = Release("r1", 0, (Image(ImageName("a", "r1"), manifest.digest),), (*rows, manifest))
    return Index.full(release)


@given(st.lists(st.integers(0, 3 * FRAME) | st.sampled_from([FRAME - 512, FRAME, SMALL - 512, GROUP]), max_size=40))
def test_frames_hold_every_byte_once(sizes: list[int]) -> None:
    """And each holds either small members, a GROUP of them at most, or a FRAME of one large member at most."""
    index = index_of((size, GZIP) for size in sizes)
    plans = list(layout.data_section(index))
    positions: dict[str, int] = {}
    for plan in plans:
        assert plan.content == sum(piece.stop - piece.start for piece in plan.pieces) > 0
        large = plan.pieces[0].member.total > SMALL
        assert len(plan.pieces) == 1 if large else plan.content <= GROUP
        assert plan.content <= FRAME
        for piece in plan.pieces:
            assert (piece.member.total > SMALL) == large
            assert positions.get(piece.member.path, 0) == piece.start
            positions[piece.member.path] = piece.stop
    expected = {p.member.path: p.member.total for plan in plans for p in plan.pieces}
    assert positions == expected
    assert len(expected) == len(sizes)
    assert sum(expected.values()) == sum(
        tar.member_size(path, size) for path, size in zip(paths(plans), sizes, strict=True)
    )


def test_small_members_fill_frames_greedily() -> None:
    count = GROUP // SMALL
    plans = list(layout.data_section(index_of([(SMALL - 512, GZIP)] * (count + 1))))
    assert [len(plan.pieces) for plan in plans] == [count, 1]


def test_a_large_member_ends_a_run_of_small_ones() -> None:
    plans = list(layout.data_section(index_of([(1, GZIP), (SMALL, GZIP), (1, GZIP)])))
    assert [len(plan.pieces) for plan in plans] == [1, 1, 1]


@pytest.mark.parametrize(
    ("media_type", "packing"),
    [
        (GZIP, Packing.DENSE),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Packing.DENSE),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Packing.DENSE),
        ("application/vnd.oci.image.layer.v1.tar", Packing.COMPRESSED),
        ("application/vnd.docker.image.rootfs.diff.tar", Packing.COMPRESSED),
        ("application/vnd.oci.image.config.v1+json", Packing.COMPRESSED),
    ],
)
def test_only_what_may_shrink_is_compressed(media_type: str, packing: Packing) -> None:
    (large,) = layout.data_section(index_of([(SMALL, media_type)]))
    (small,) = layout.data_section(index_of([(10, media_type)]))
    assert large.packing is packing
    assert small.packing is Packing.COMPRESSED


def test_a_blob_of_the_largest_size_is_cut_lazily() -> None:
    """Adversary 39: an index may claim it."""
    plans = layout.data_section(index_of([(2**63 - 1, GZIP)]))
    first = next(plans)
    assert first.content == FRAME
    assert first.pieces[0].member.total == 3 * 512 + 2**63


def test_bytes_of_content_are_counted_without_header_and_padding() -> None:
    (plan,) = layout.data_section(index_of([(700, GZIP)]))
    (piece,) = plan.pieces
    header = len(piece.member.header)
    assert plan.content == header + 1024
    assert piece.blob_bytes == 700
    assert replace(piece, stop=header + 100).blob_bytes == 100
    assert replace(piece, start=header + 100).blob_bytes == 600
    assert replace(piece, stop=header - 1).blob_bytes == 0
    (end,) = layout.index_section(b"an index")
    assert end.pieces[0].blob_bytes == 0


def test_a_patch_has_no_links(sample: Builder) -> None:
    patch = replace(Index.full(sample.release), bases=(Base(Digest.of(b"base"), "r0"),))
    (plan,) = layout.links_section(patch, {})
    assert plan.content == 1024
    assert plan.pieces[0].member.header == bytes(1024)


def test_layer_patches_are_dense_members_of_their_own_digest(sample: Builder) -> None:
    release = sample.release
    blob, source = release.blobs[:2]
    steps = tuple(
        Step(digest, size, size, Digest.of(b"patch %d" % size), SMALL, (source.digest,))
        for digest, size in ((Digest.of(b"between"), 3), (blob.digest, blob.size))
    )
    dispositions = (Disposition.PATCHED, *[Disposition.STORED] * (len(release.blobs) - 1))
    index = Index(release, dispositions, (Base(Digest.of(b"base"), "r0"),), (), (), steps)
    found = [plan for plan in layout.data_section(index) if plan.pieces[0].member.step is not None]
    assert [plan.packing for plan in found] == [Packing.DENSE] * 2
    members = [plan.pieces[0].member for plan in found]
    assert [member.path for member in members] == [".airpatch/patches/1", ".airpatch/patches/2"]
    assert [member.digest for member in members] == [step.patch for step in steps]
