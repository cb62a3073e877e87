"""Layer patches of a bundle that is verified: carried out where their sources can be had, else read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.archive.checker import CheckedBundle
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.blobs.scratch import scratch_files
from airpatch.errors import BaseMismatch, FormatError, IntegrityError, TargetError
from airpatch.execution import Execution
from airpatch.format.index import Base, Disposition, Index, SourceBlob, Step
from airpatch.layers.proof import prove
from airpatch.layers.recipe import Plain, Replay, Whole, emit_header
from airpatch.model.digest import Digest
from tests.delta.support import delta, noise
from tests.layers.support import Blobs, Patches, by_digest, descriptors, handmade, left_open, repacked
from tests.support import Builder, MemoryContent, MemorySink, execution, frame_reader

OLD, NEW = noise(9000, 1), noise(8000, 1) + b"new"
GOOD = handmade(NEW, Plain(), [delta(NEW, [OLD])], {OLD: OLD}, len(NEW))


def bundle(patches: Patches, base: bytes | None = OLD) -> bytes:
    """A bundle of one image with the layer NEW, which the patches make; a full one brings OLD as a layer."""
    builder = Builder()
    layers = [NEW, OLD] if base is None else [NEW]
    builder.tag("web:r1", builder.picture(layers))
    release = builder.release
    dispositions = tuple(
        Disposition.PATCHED if b.digest == Digest.of(NEW) else Disposition.STORED for b in release.blobs
    )
    bases = () if base is None else (Base(Digest.of(b"r0"), "r0"),)
    index = Index(release, dispositions, bases, (), tuple(patches.sources), tuple(patches.steps))
    sink = MemorySink()
    content = MemoryContent(builder.blobs | patches.contents)
    write_bundle(PreparedBundle(index, builder.manifests, content), sink, execution(2))
    return bytes(sink.data)


def verified(data: bytes, base: Callable[[Index], Blobs] | None = None) -> CheckedBundle:
    before = descriptors()
    with closing(frame_reader("file", data)) as source:
        found = prove(source, execution(2), base)
    assert left_open(before) == 0
    return found


def only_finding(found: CheckedBundle) -> Exception:
    assert len(found.findings) == 1
    return found.findings[0]


def wrong_content(step: Step) -> Patches:
    """The step with a patch that is well-formed and makes something else."""
    patch = emit_header(Plain(), (len(other := delta(OLD[::-1], [OLD])),)) + other
    step = replace(step, patch=Digest.of(patch), patch_size=len(patch))
    return Patches([step], GOOD.sources, {step.patch: patch})


@pytest.mark.parametrize("with_base", [True, False])
def test_sound_patches(with_base: bool) -> None:
    asked: list[Index] = []

    def base(index: Index) -> Blobs:
        asked.append(index)
        return Blobs(by_digest(OLD))

    assert verified(bundle(GOOD), base if with_base else None).findings == ()
    assert len(asked) == with_base


def test_full_bundles_need_no_base() -> None:
    def base(_: Index) -> Blobs:
        raise AssertionError("nobody should ask")

    assert verified(bundle(GOOD, None), base).findings == ()
    assert verified(repacked()[1]).findings == ()


def test_a_patch_that_makes_other_bytes_is_found_when_it_is_carried_out() -> None:
    patches = wrong_content(GOOD.steps[0])
    assert verified(bundle(patches)).findings == ()
    for found in (verified(bundle(patches), lambda _: Blobs(by_digest(OLD))), verified(bundle(patches, None))):
        error = only_finding(found)
        assert isinstance(error, (IntegrityError, FormatError))
        assert f"layer patch of {Digest.of(NEW)}" in str(error)


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"\xff\xff\xff\xff",
        emit_header(Plain(), (7,)) + b"six...",
        emit_header(Whole(), (7,))[:-1],
        emit_header(Replay((1,)), (0, 0, 0, 0, 0)),
    ],
    ids=["empty", "length", "section", "cut", "like"],
)
def test_adversary_37_39_headers_are_read_without_a_base(patch: bytes) -> None:
    step = replace(GOOD.steps[0], patch=Digest.of(patch), patch_size=len(patch))
    error = only_finding(verified(bundle(Patches([step], GOOD.sources, {step.patch: patch}))))
    assert isinstance(error, FormatError)
    assert f"layer patch of {step.digest}: " in str(error)


def test_a_header_as_long_as_may_be_behind_which_there_is_more() -> None:
    patches = handmade(NEW, Whole(), [NEW], {OLD: OLD})
    assert verified(bundle(patches)).findings == ()


def test_adversary_29_a_base_that_is_wrong() -> None:
    with pytest.raises(BaseMismatch, match="damaged") as caught:
        verified(bundle(GOOD), lambda _: Blobs({Digest.of(OLD): OLD[::-1]}))
    assert str(Digest.of(OLD)) in caught.value.findings[0]


def test_damage_elsewhere_is_told_and_nothing_is_carried_out() -> None:
    data = bytearray(bundle(GOOD, None))
    place = data.index(OLD[100:200])
    data[place] ^= 1
    found = verified(bytes(data))
    assert all(isinstance(error, FormatError) for error in found.findings)
    assert found.findings


def test_no_room_for_scratch_files(tmp_path: Path) -> None:
    with closing(frame_reader("file", bundle(GOOD, None))) as source, pytest.raises(TargetError, match="nowhere"):
        prove(source, Execution(2, scratch=scratch_files(tmp_path / "nowhere")))


def test_the_sources_that_a_patch_itself_brings() -> None:
    """A source that the bundle stores as a layer of its own."""
    builder = Builder()
    builder.tag("web:r1", builder.picture([NEW, OLD]))
    release = builder.release
    dispositions = tuple(
        Disposition.PATCHED if b.digest == Digest.of(NEW) else Disposition.STORED for b in release.blobs
    )
    sources = (SourceBlob(Digest.of(OLD), len(OLD), len(OLD)),)
    index = Index(release, dispositions, (Base(Digest.of(b"r0"), "r0"),), (), sources, tuple(GOOD.steps))
    sink = MemorySink()
    write_bundle(
        PreparedBundle(index, builder.manifests, MemoryContent(builder.blobs | GOOD.contents)), sink, execution(2)
    )
    assert verified(bytes(sink.data), lambda _: Blobs({})).findings == ()
