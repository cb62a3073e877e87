"""What files cost adds up to their layer patch, whatever its method, and tells what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import pytest

from airpatch.archive.prepared import PreparedBundle
from airpatch.format.index import Disposition, Index
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    Whole,
)
from airpatch.model.digest import Digest
from airpatch.report.cost_shares import ShareKind, cost_shares
from airpatch.report.forecast import BlobCost, FileCost, forecast
from airpatch.report.packed_sizes import PackedSizes
from tests.delta.support import delta, noise, tar
from tests.layers.support import ENCODERS, Blobs, Patches, by_digest, diff, ends_stored, framed, handmade, text, zstd
from tests.support import Builder, Recorder, execution
from tests.views.support import archive

EDITED = text(6000, 2)
OLD = tar({"usr/kept": text(9000, 1), "usr/edited": EDITED, "usr/left": text(7000, 3)})
NEW = tar(
    {
        "./usr/kept": text(9000, 1),
        "usr/edited": EDITED[:3000] + b"!" + EDITED[3001:],
        "usr/added": noise(3000, 4),
        "srv/moved": text(7000, 3),
    }
)


def frames(uncompressed: bytes, behind: bytes = b"") -> bytes:
    """As zstd:chunked: a frame for each piece, with something `behind` it."""
    return b"".join(zstd(uncompressed[at : at + 1024]) + behind for at in range(0, len(uncompressed), 1024))


def whole(new: Sequence[bytes], _: Sequence[bytes]) -> Patches:
    return handmade(new[0], Whole(), [new[0]])


METHODS: dict[type[Method], tuple[Callable[[bytes], bytes], Callable[..., Patches]]] = {
    Plain: (bytes, diff),
    Replica: (ENCODERS["go"], diff),
    Replay: (ENCODERS["huffman"], diff),
    Corrected: (ENCODERS["flushed"], diff),
    GzipMembers: (ENCODERS["members"], diff),
    Frames: (framed("kzstd-1.17.8-fastest"), diff),
    FrameReplay: (frames, diff),
    CorrectedFrames: (ends_stored("kzstd-1.17.8-fastest"), diff),
    Raw: (zstd, diff),
    Whole: (ENCODERS["go"], whole),
}


def costs(new: Sequence[bytes], old: Sequence[bytes], patches: Patches) -> list[BlobCost]:
    """The forecast for an image of the layers `new` where targets have `old`, without that of its config."""
    builder = Builder()
    builder.tag("shop/web:r2", builder.picture(new, config=b"{}"))
    release = builder.release
    made, there = {step.digest for step in patches.steps}, set(map(Digest.of, old))
    dispositions = [Disposition.STORED] * len(release.blobs)
    for number, blob in enumerate(release.blobs):
        if blob.digest in made:
            dispositions[number] = Disposition.PATCHED
        elif blob.digest in there:
            dispositions[number] = Disposition.LEFT_OUT
    index = Index(release, tuple(dispositions), (), (), tuple(patches.sources), tuple(patches.steps))
    blobs = Blobs(by_digest(*new, *old))
    progress = Recorder()
    found = forecast(
        PreparedBundle(index, builder.manifests, Blobs(patches.contents), blobs),
        execution(2, progress),
        ReaderFeatures(),
    )
    assert progress.adds_up
    *layers, config = found
    assert config == BlobCost(Digest.of(b"{}"), 2, 2)
    return layers


def by_path(cost: BlobCost) -> dict[str, FileCost]:
    assert [file.cost for file in cost.files] == sorted((file.cost for file in cost.files), reverse=True)
    return {file.path: file for file in cost.files}


def test_every_method_is_tried() -> None:
    assert set(METHODS) == set(get_args(Method))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__.lower())
def test_the_cost_of_a_layer_patch(method: type[Method]) -> None:
    encode, make = METHODS[method]
    new, old = encode(NEW), encode(OLD)
    patches = make([new], [old])
    (cost,) = costs([new], [old], patches)
    assert (cost.digest, cost.size, cost.cost) == (Digest.of(new), len(new), patches.sizes[0])
    assert cost.patch is not None
    assert type(cost.patch.recipe.method) is method
    assert cost.patch.step == patches.steps[0]
    assert bool(cost.patch.decisions) == (
        method in (Replay, Corrected, GzipMembers, Frames, FrameReplay, CorrectedFrames)
    )
    shares = cost_shares([cost], PackedSizes(cost.cost, {cost.digest: cost.cost}, 0, 0, 0), {})[cost.digest]
    kinds = {share.kind for share in shares}
    assert (ShareKind.LAYOUT in kinds) == (method in (GzipMembers, Frames))
    assert (ShareKind.DECISIONS in kinds) == (method in (Replay, Corrected, FrameReplay, CorrectedFrames))
    if method in (Raw, Whole):
        assert cost.files == ()
        return
    assert 0 <= cost.patch.difference - sum(file.cost for file in cost.files) < 40
    files = by_path(cost)
    assert {path: file.size for path, file in files.items() if path} == {
        "usr/added": 3000, "usr/kept": 9000, "srv/moved": 7000, "usr/edited": 6000
    }  # fmt: skip
    added = files.pop("usr/added")
    assert 3000 <= added.new < 3100  # with what its header has of its own
    assert 3000 <= added.cost < 3100
    assert all(file.cost < 60 and file.new + file.changed < 20 for file in files.values())
    assert {path: file.old for path, file in files.items() if path} == {
        "usr/kept": "usr/kept", "usr/edited": "usr/edited", "srv/moved": "usr/left"
    }  # fmt: skip
    assert (files["usr/edited"].new, files["usr/edited"].changed) == (0, 1)


@pytest.mark.parametrize("skipped", [0, 200])
def test_offsets_in_compressed_blobs_are_no_places_in_files(skipped: int) -> None:
    """Whether the uncompressed data is the larger one, or the blob for what is skipped in it."""
    skippable = b"\x50\x2a\x4d\x18" + skipped.to_bytes(4, "little") + bytes(skipped)

    def blob(seed: int) -> bytes:
        uncompressed = tar({"zeros": bytes(50_000), "kept": noise(20_000, 1), "last": noise(900, seed)})
        return frames(uncompressed, skippable)

    new, old = blob(2), blob(3)
    patches = diff([new], [old])
    (cost,) = costs([new], [old], patches)
    assert (cost.cost, cost.files) == (patches.sizes[0], ())


def test_of_several_sources_the_right_one_is_named() -> None:
    old = [tar({f"usr/{name}": text(20_000, seed)}) for seed, name in enumerate(("one", "two", "three"), 1)]
    new = tar({f"srv/{seed}": text(20_000, seed) for seed in (3, 1, 2)})
    patches = diff([new], old)
    assert len(patches.steps[0].sources) == 3
    (cost,) = costs([new], old, patches)
    assert {path: file.old for path, file in by_path(cost).items() if path} == {
        "srv/1": "usr/one", "srv/2": "usr/two", "srv/3": "usr/three"
    }  # fmt: skip


def test_whole_layers_and_those_that_targets_have() -> None:
    """The costliest first; what is left out costs nothing."""
    there, small, large = noise(9000, 1), noise(5000, 2), noise(8000, 3)
    assert costs([there, small, large], [there], diff([small, large], [there])) == [
        BlobCost(Digest.of(blob), len(blob), len(blob)) for blob in (large, small)
    ]


def test_a_layer_that_is_no_tar_costs_what_is_between_files() -> None:
    old = text(9000, 1)
    new = old[:4000] + noise(1000, 2) + old[4000:]
    (cost,) = costs([new], [old], handmade(new, Plain(), [delta(new, [old])], {old: old}, len(new)))
    (file,) = cost.files
    assert (file.path, file.size, file.new, file.old) == ("", 0, 1000, None)
    assert 1000 <= file.cost < 1100


def test_paths_that_are_no_text() -> None:
    new = tar({"./usr/n?me": text(9000, 1)}).replace(b"n?me", b"n\xffme", 1)
    (cost,) = costs([new], [], diff([new]))
    assert "usr/n\\xffme" in by_path(cost)


def test_entries_of_archives_are_named() -> None:
    old, new = (
        tar(
            {
                "opt/bank.jar": archive({"Kept.class": text(3000, 1), "Changed.class": text(3000, seed)}),
                "b": text(99, 1),
            }
        )
        for seed in (2, 3)
    )
    (cost,) = costs([new], [old], diff([new], [old]))
    assert cost.patch is not None
    assert cost.patch.recipe.views is not None
    assert cost.patch.decisions == 0
    assert 0 < cost.patch.views < 250
    assert cost.files[0].path == "opt/bank.jar!Changed.class"
    assert "opt/bank.jar!Kept.class" not in by_path(cost)
    assert 0 <= cost.patch.difference - sum(each.cost for each in cost.files) < 40
