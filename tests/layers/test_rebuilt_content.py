"""Blobs that layer patches make, in scratch files: as content, for layers that travel uncompressed, and given up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import Content, read_blob
from airpatch.errors import AirpatchError, IntegrityError, SourceError
from airpatch.format.index import Disposition, Step
from airpatch.layers import blob_builder
from airpatch.layers.rebuilt_content import RebuiltContent, content_with_rebuilt
from airpatch.layers.recipe import Whole
from airpatch.model.digest import Digest
from tests.layers.support import (
    GO_LAYERS,
    Blobs,
    by_digest,
    descriptors,
    handmade,
    left_open,
    repacked,
)
from tests.support import Builder, Recorder, execution, scratch


@pytest.fixture
def bundle(tmp_path: Path) -> BundleFile:
    index, data = repacked()
    assert {its for blob, its in zip(index.release.blobs, index.dispositions, strict=True) if blob.size > 1000} == {
        Disposition.PATCHED
    }
    (tmp_path / "bundle").write_bytes(data)
    return BundleFile(str(tmp_path / "bundle"))


def found(content: Content, blob: bytes) -> bytes:
    digest = Digest.of(blob)
    assert content.size(digest) == len(blob)
    return read_blob(content, digest, len(blob))


def test_layers_of_a_bundle_are_made_when_they_are_wanted(bundle: BundleFile) -> None:
    progress = Recorder()
    content = content_with_rebuilt(bundle, by_digest(*GO_LAYERS), execution(2, progress))
    assert [found(content, each) for each in GO_LAYERS] == GO_LAYERS
    assert progress.labels == ["rebuilding layers of r1"]
    assert progress.adds_up
    config = next(blob for blob in bundle.index.stored if not blob.is_manifest)
    assert content.size(config.digest) == config.size
    assert content.size(Digest.of(b"nothing")) is None


def test_only_those_that_are_wanted_are_made_and_what_they_need(bundle: BundleFile) -> None:
    steps = bundle.index.steps
    first = next(blob for blob in GO_LAYERS if Digest.of(blob) == steps[0].digest)
    content = content_with_rebuilt(bundle, [steps[0].digest], execution(1))
    assert found(content, first) == first
    assert content.size(steps[-1].digest) is None
    assert content_with_rebuilt(bundle, [], execution(2)).size(steps[0].digest) is None


def test_a_bundle_without_layer_patches_is_its_own_content(tmp_path: Path) -> None:
    builder = Builder()
    builder.tag("web:r1", builder.picture([b"layer"]))
    (tmp_path / "plain").write_bytes(builder.bundle())
    plain = BundleFile(str(tmp_path / "plain"))
    assert content_with_rebuilt(plain, by_digest(b"layer"), execution(2)) is plain


def test_adversary_27_a_layer_patch_that_is_damaged(bundle: BundleFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle is named, and nothing is left open."""
    before = descriptors()

    def other(*_: object) -> object:
        raise IntegrityError("makes other bytes")

    monkeypatch.setattr(blob_builder, "read_header", other)
    with pytest.raises(AirpatchError, match=r"bundle: layer patch of .*: makes other bytes"):
        content_with_rebuilt(bundle, by_digest(*GO_LAYERS), execution(2))
    assert left_open(before) == 0


def test_what_is_made_is_content_until_it_is_closed() -> None:
    before = descriptors()
    patches = handmade(GO_LAYERS[0], Whole(), [GO_LAYERS[0]])
    rebuilt = RebuiltContent(scratch)
    rebuilt.make(patches.index, [], Blobs({}), execution(2))
    rebuilt.make(patches.index, patches.steps, Blobs(patches.contents), execution(1))
    assert found(rebuilt, GO_LAYERS[0]) == GO_LAYERS[0]
    with pytest.raises(SourceError, match="bytes in what layer patches made"):
        rebuilt.open(Digest.of(GO_LAYERS[0]), 7)
    rebuilt.close()
    assert left_open(before) == 0


def test_what_was_not_finished_is_closed_too() -> None:
    before = descriptors()
    bad = handmade(GO_LAYERS[0], Whole(), [GO_LAYERS[0][:-1] + b"!"])
    with closing(RebuiltContent(scratch)) as rebuilt:
        with pytest.raises(IntegrityError):
            rebuilt.make(bad.index, bad.steps, Blobs(bad.contents), execution(1))
        assert rebuilt.size(Digest.of(GO_LAYERS[0])) is None
        rebuilt.output(Digest.of(b"x"), 20).write(memoryview(b"half of it"))
    assert left_open(before) == 0


def test_only_what_is_to_be_kept_is_kept() -> None:
    patches = handmade(GO_LAYERS[0], Whole(), [GO_LAYERS[0]])
    step: Step = patches.steps[0]
    with closing(RebuiltContent(scratch)) as rebuilt:
        rebuilt.make(patches.index, [step], Blobs(patches.contents), execution(1), set())
        assert rebuilt.size(step.digest) is None
