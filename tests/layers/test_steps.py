"""Which steps make what, and the scratch space that they take."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from airpatch.blobs.scratch import MemoryScratch, ScratchFile
from airpatch.delta.effort import Effort
from airpatch.format.index import Step
from airpatch.layers.rebuild import working_space
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Replay,
    Replica,
)
from airpatch.layers.steps import own_space, scratch_space, sizes_of, steps_for
from airpatch.model.digest import Digest
from airpatch.progress import NO_PROGRESS, Progress
from fixtures.encoders.inputs import inputs
from tests.delta.support import tar
from tests.layers.support import (
    ENCODERS,
    Blobs,
    Patches,
    by_digest,
    carry_out,
    chain,
    changed,
    diff,
    ends_stored,
    layer,
    methods,
    replica,
    text,
    zstd,
)
from tests.support import Recorder
from tests.views.support import archive

OLD, NEW = layer(1, size=9000), changed(layer(1, size=9000))
GO = replica("go1-flate-6")
FLUSHED = ENCODERS["flushed"]


def test_only_what_is_wanted_is_made() -> None:
    patches, blobs = chain(6)
    index = patches.index
    wanted = patches.steps[3].digest
    assert steps_for(index, [wanted], set()) == patches.steps[:4]
    there = patches.steps[1].digest
    rest = steps_for(index, [wanted], {there})
    assert rest == patches.steps[2:4]
    assert carry_out(patches, {there: blobs[there]}, rest) == {step.digest: blobs[step.digest] for step in rest}
    assert steps_for(index, [], set()) == []


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_scratch_space_suffices(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [(replica("go1-flate-9"), inputs()["tar"]), (FLUSHED, inputs()["tar"]), (GO, OLD)]
    jar = text(40_000, 7)
    jars = [tar({"a.jar": archive({"a": jar, "b": jar[::-1]})}), tar({"a.jar": archive({"a": jar + b"!", "b": jar})})]
    old = [kinds[0][0](kinds[0][1]), GO(OLD), jars[0]]
    new = [encoder(each[:9] + b"%d" % seed + each[10:]) for seed in (1, 2) for encoder, each in kinds] + jars[1:]
    patches = diff(new, old, effort=Effort.FAST)
    assert {Replay, Corrected, Replica} <= set(map(type, methods(patches)))
    assert patches.steps[-1].expanded > 40_000
    assert_scratch_space_suffices(patches, old, jobs, monkeypatch)


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_scratch_space_suffices_for_decisions_of_zstd(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of matches that are short and many they are larger than the blobs."""
    old = b"".join(b"line %d of the file\n" % i for i in range(8000))
    new = old[:50_000] + b"and one more\n" + old[50_000:]
    patches = diff([zstd(new), ends_stored("kzstd-1.17.8-fastest")(new)], [zstd(old)], effort=Effort.FAST)
    assert {FrameReplay, CorrectedFrames} == set(map(type, methods(patches)))
    assert_scratch_space_suffices(patches, [zstd(old)], jobs, monkeypatch)


def assert_scratch_space_suffices(
    patches: Patches, old: Sequence[bytes], jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < scratch_peak(patches, old, jobs, monkeypatch) <= scratch_space(patches.index, patches.steps, jobs)


def scratch_peak(
    patches: Patches,
    old: Sequence[bytes],
    jobs: int,
    monkeypatch: pytest.MonkeyPatch,
    memory: MemoryScratch | None = None,
    steps: Sequence[Step] | None = None,
    progress: Progress = NO_PROGRESS,
) -> int:
    """The most bytes that lie in scratch files while the patches are carried out, or some `steps` of them."""
    live: dict[int, int] = {}
    peak = 0
    append, close = ScratchFile.append, ScratchFile.close

    def count(file: ScratchFile, data: bytes) -> None:
        nonlocal peak
        append(file, data)
        live[id(file)] = file.size
        peak = max(peak, sum(list(live.values())))

    def drop(file: ScratchFile) -> None:
        live.pop(id(file), None)
        close(file)

    with monkeypatch.context() as patch:
        patch.setattr(ScratchFile, "append", count)
        patch.setattr(ScratchFile, "close", drop)
        carry_out(patches, by_digest(*old), steps, jobs, progress, memory)
    assert live == {}
    return peak


def test_steps_that_share_nothing_take_the_sources_of_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each layer that is made is kept uncompressed for the next step, beside its source."""
    patches, blobs = chain(6)
    old = [blob for digest, blob in blobs.items() if digest not in {step.digest for step in patches.steps}]
    sizes = sizes_of(patches.index)
    largest = max(own_space(step, sizes) for step in patches.steps)
    assert scratch_peak(patches, old, 3, monkeypatch, MemoryScratch(0)) == largest
    assert scratch_peak(patches, old, 3, monkeypatch) > 1.9 * largest


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_working_space_suffices_for_each_step_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "gzip":
        encoders, old = [replica("go1-flate-9"), FLUSHED, GO], inputs()["tar"]
    else:
        encoders = [zstd, ends_stored("kzstd-1.17.8-fastest")]
        old = b"".join(b"line %d of the file\n" % i for i in range(8000))
    new = old[:50_000] + b"and one more\n" + old[50_000:]
    source = encoders[0](old)
    patches = diff([encode(new) for encode in encoders], [source], effort=Effort.FAST)
    blobs = [source, *(encode(new) for encode in encoders)]
    space = working_space(patches.index, patches.steps, Blobs(patches.contents))
    for step, suffices in zip(patches.steps, space, strict=True):
        peak = scratch_peak(patches, blobs, 1, monkeypatch, MemoryScratch(0), [step])
        assert peak <= suffices
        assert peak > 0 or suffices == 0


@pytest.mark.parametrize(("kind", "precedent"), [("gzip", False), ("gzip", True), ("zstd", False), ("plain", False)])
def test_a_layer_that_a_source_holds_is_not_kept(kind: str, precedent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, as it is unpacked; a source from which nothing is taken is not unpacked at all."""
    monkeypatch.setattr("airpatch.layers.gzip_ways._FURTHER", 1)
    old = layer(*range(20), size=9000)
    new = old[:9] + b"x" + old[10:]
    there = [zstd(new), GO(old)] if precedent else [zstd(new)]
    blob = {"gzip": GO, "zstd": ends_stored("kzstd-1.17.8-fastest"), "plain": bytes}[kind](new)
    patches = diff([blob], there, effort=Effort.FAST)
    step = patches.steps[0]
    assert step.sources == tuple(map(Digest.of, there))
    expected = {"gzip": precedent * len(old), "zstd": len(new), "plain": 0}[kind]
    space = working_space(patches.index, [step], Blobs(patches.contents))[0]
    progress = Recorder()
    peak = scratch_peak(patches, there, 1, monkeypatch, MemoryScratch(0), progress=progress)
    assert progress.adds_up
    if kind == "zstd":  # its content is kept beside decisions
        assert expected < peak <= space
    else:
        assert peak == space == expected
    progress = Recorder()
    carry_out(patches, by_digest(*there), progress=progress)
    assert progress.adds_up
