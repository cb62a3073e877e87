"""Blobs that layer patches make, kept in scratch files: as content, for a bundle that is unfolded, and given up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.writer import write_bundle
from airpatch.blobs.content import Content, read_blob
from airpatch.errors import AirpatchError, IntegrityError, SourceError
from airpatch.format.index import Index, Plan, Step
from airpatch.layers import rebuild
from airpatch.layers.rebuilt import Rebuilt, content_with_rebuilt
from airpatch.layers.recipe import Whole
from airpatch.model.digest import Digest
from airpatch.patches.layer_patching import patch_layers
from airpatch.sources.gather import Gathered
from tests.layers.support import Blobs, by_digest, changed, descriptors, handmade, layer, left_open, replica
from tests.support import OCI_GZIP_LAYER, Builder, MemorySink, Recorder, execution, scratch

GO = replica("go1-flate-6")
LAYERS = [GO(layer(1, size=9000)), GO(changed(layer(1, size=9000))), GO(changed(layer(1, size=9000), 2))]


def repacked(layers: list[bytes] = LAYERS) -> tuple[Index, bytes]:
    """A full bundle with layers as plaintext."""
    builder = Builder()
    builder.tag("web:r1", builder.picture(layers, layer_type=OCI_GZIP_LAYER))
    release = builder.release
    gathered = Gathered(release, builder.manifests, builder.content)
    patched = patch_layers(Index.full(release), gathered, [], execution())
    sink = MemorySink()
    with patched:
        write_bundle(patched, sink, execution())
    return patched.index, bytes(sink.data)


@pytest.fixture
def bundle(tmp_path: Path) -> BundleFile:
    index, data = repacked()
    assert {plan for blob, plan in zip(index.release.blobs, index.plans, strict=True) if blob.size > 1000} == {
        Plan.PATCHED
    }
    (tmp_path / "bundle").write_bytes(data)
    return BundleFile(str(tmp_path / "bundle"))


def found(content: Content, blob: bytes) -> bytes:
    digest = Digest.of(blob)
    assert content.size(digest) == len(blob)
    return read_blob(content, digest, len(blob))


def test_layers_of_a_bundle_are_made_when_they_are_wanted(bundle: BundleFile) -> None:
    progress = Recorder()
    content = content_with_rebuilt(bundle, by_digest(*LAYERS), execution(2, progress))
    assert [found(content, each) for each in LAYERS] == LAYERS
    assert progress.labels == ["rebuilding layers of r1"]
    assert progress.adds_up
    config = next(blob for blob in bundle.index.stored if not blob.is_manifest)
    assert content.size(config.digest) == config.size
    assert content.size(Digest.of(b"nothing")) is None


def test_only_those_that_are_wanted_are_made_and_what_they_need(bundle: BundleFile) -> None:
    steps = bundle.index.steps
    first = next(blob for blob in LAYERS if Digest.of(blob) == steps[0].digest)
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

    monkeypatch.setattr(rebuild, "read_header", other)
    with pytest.raises(AirpatchError, match=r"bundle: layer patch of .*: makes other bytes"):
        content_with_rebuilt(bundle, by_digest(*LAYERS), execution(2))
    assert left_open(before) == 0


def test_what_is_made_is_content_until_it_is_closed() -> None:
    before = descriptors()
    patches = handmade(LAYERS[0], Whole(), [LAYERS[0]])
    rebuilt = Rebuilt(scratch)
    rebuilt.make(patches.index, [], Blobs({}), execution(2))
    rebuilt.make(patches.index, patches.steps, Blobs(patches.contents), execution(1))
    assert found(rebuilt, LAYERS[0]) == LAYERS[0]
    with pytest.raises(SourceError, match="bytes in what layer patches made"):
        rebuilt.open(Digest.of(LAYERS[0]), 7)
    rebuilt.close()
    assert left_open(before) == 0


def test_what_was_not_finished_is_closed_too() -> None:
    before = descriptors()
    bad = handmade(LAYERS[0], Whole(), [LAYERS[0][:-1] + b"!"])
    with closing(Rebuilt(scratch)) as rebuilt:
        with pytest.raises(IntegrityError):
            rebuilt.make(bad.index, bad.steps, Blobs(bad.contents), execution(1))
        assert rebuilt.size(Digest.of(LAYERS[0])) is None
        rebuilt.output(Digest.of(b"x")).write(memoryview(b"half of it"))
    assert left_open(before) == 0


def test_only_what_is_to_be_kept_is_kept() -> None:
    patches = handmade(LAYERS[0], Whole(), [LAYERS[0]])
    step: Step = patches.steps[0]
    with closing(Rebuilt(scratch)) as rebuilt:
        rebuilt.make(patches.index, [step], Blobs(patches.contents), execution(1), set())
        assert rebuilt.size(step.digest) is None
