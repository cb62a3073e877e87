"""Single layer patches: which way a blob is rebuilt, and that none is made without its proof."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard

from airpatch.blobs.content import BytesBlob
from airpatch.blobs.scratch import Scratch, ScratchFile, ScratchStore
from airpatch.delta.effort import Effort
from airpatch.encoders.recognise import recognise
from airpatch.errors import FormatError
from airpatch.execution import Execution
from airpatch.layers import decision_reader, gzip_ways, zstd_ways
from airpatch.layers.compression import compression, extract, opened
from airpatch.layers.differences import Differences
from airpatch.layers.patch_maker import Made, PatchMaker
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
    read_header,
)
from airpatch.layers.required_features import features
from airpatch.layers.uncompressed import kept_layers
from airpatch.layers.versions import known_features
from airpatch.layers.ways import LayerBlob
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from tests.delta.support import noise, tar
from tests.layers.support import (
    ENCODERS,
    GZIP_HEADER,
    NAMED_HEADER,
    Blobs,
    Patches,
    by_digest,
    carry_out,
    changed,
    descriptors,
    diff,
    ends_stored,
    framed,
    layer,
    left_open,
    methods,
    replica,
    rows,
    text,
    zstd,
)
from tests.support import execution, scratch
from tests.views.support import archive

UNCOMPRESSED = layer(1, size=9000)
GO = replica("go1-flate-6")
CHUNKED = Path(__file__).parents[2] / "fixtures/encoders/chunked"


def found(blob: bytes) -> LayerBlob:
    size = sum(len(piece) for piece in opened(BytesBlob(blob), len(blob), 1 << 30)[1])
    return LayerBlob(rows([blob])[0], compression(blob[:4]), size)


def patched(
    new: bytes,
    *old: bytes,
    effort: Effort = Effort.DEFAULT,
    work: Execution | None = None,
    reader: ReaderFeatures | None = None,
) -> bytes | None:
    """The layer patch; every file is closed again."""
    before = descriptors()
    content = Blobs(by_digest(new, *old))
    with closing(ScratchStore(scratch)) as store:
        layers = target, *sources = [found(blob) for blob in (new, *old)]
        uncompressed = kept_layers(content, scratch, [layer.blob.digest for layer in layers], store)
        work = work or execution(memory=1 << 26)
        shop = PatchMaker(content, layers, uncompressed, effort, work, 0, reader)
        made = shop.patch(target, sources, ProgressPart().share(shop.work(target)))
    patch = None if made is None else content_of(made)
    assert left_open(before) == 0
    return patch


def content_of(made: Made) -> bytes:
    with closing(made.file):
        return made.file.read(0, made.file.size)


def frame_by_frame(uncompressed: bytes) -> bytes:
    return b"".join(zstd(uncompressed[at : at + 1000]) for at in range(0, len(uncompressed), 1000))


def method(patch: bytes | None) -> Method:
    assert patch is not None
    return read_header(BytesBlob(patch), len(patch)).method


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", Plain()),
        ("zlib-1", Replica("zlib-1", bytes.fromhex("1f8b0800000000000403"))),
        ("go", Replica("go1-flate-6", GZIP_HEADER)),
        ("pgzip", Replica("pgzip/klauspost-1.15.10-5", GZIP_HEADER)),  # which writes the same here
        ("pigz", Replica("zlib-9", NAMED_HEADER)),  # which differ after 128 KiB
        ("fixed", Corrected(Replica("zlib-6", bytes.fromhex("1f8b0800000000000403")))),
        ("huffman", Replay((0,))),
        ("members", GzipMembers("zlib-9", (0,))),
        ("flushed", Corrected(Replica("zlib-6", bytes.fromhex("1f8b0800000000000003")))),
        ("tail", Corrected(Replica("zlib-6", bytes.fromhex("1f8b0800000000000003")))),
    ],
)
def test_the_way_that_a_blob_is_rebuilt(name: str, expected: object) -> None:
    """Where the encoder is known its name will do, and where one is nearly right a few corrections."""
    old, new = ENCODERS[name](UNCOMPRESSED), ENCODERS[name](changed(UNCOMPRESSED))
    found = method(patched(new, old))
    assert found == expected


@pytest.mark.parametrize("old", ["zlib-9", "zlib-9-flushed"])
def test_a_layer_that_was_flushed_is_told_by_its_end(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_ways, "_TOLD", 2000)
    new = replica("zlib-9-flushed")(changed(UNCOMPRESSED))
    made = method(patched(new, replica(old)(UNCOMPRESSED)))
    assert isinstance(made, Replica)
    assert made.encoder == "zlib-9-flushed"


def test_zstd_stays_as_it_is_where_no_bytes_are_the_same() -> None:
    assert patched(zstd(noise(9000, 1)), zstd(noise(9000, 2))) is None


@pytest.mark.parametrize(("old", "like"), [(zstd, (0,)), (ENCODERS["go"], ()), (bytes, ()), (None, ())])
def test_zstd_by_an_encoder_that_nobody_knows_is_replayed(
    old: Callable[[bytes], bytes] | None, like: tuple[int, ...]
) -> None:
    """Out of its content and all that the encoder decided, whatever the source is compressed with, or without one."""

    def encode(uncompressed: bytes) -> bytes:
        return zstandard.ZstdCompressor(level=-1).compress(uncompressed)

    uncompressed = layer(*range(12), size=20_000)
    blob = encode(changed(uncompressed))
    there = [] if old is None else [encode(uncompressed) if like else old(uncompressed)]
    patches = diff([blob], there)
    assert methods(patches) == [FrameReplay(like)]
    assert carry_out(patches, by_digest(*there)) == by_digest(blob)
    if there:
        assert patches.sizes[0] < len(blob) // 4


FASTEST = "kzstd-1.17.8-fastest"
FRAME, FRAMES = framed(FASTEST), framed(FASTEST, 1000)


@pytest.mark.parametrize(
    ("old", "new", "like"), [(FRAME, FRAME, (0,)), (FRAMES, FRAMES, (0,)), (GO, FRAMES, ()), (bytes, FRAME, ())]
)
def test_zstd_frames_are_made_anew(
    old: Callable[[bytes], bytes], new: Callable[[bytes], bytes], like: tuple[int, ...]
) -> None:
    """Where the encoder is known, whatever the source is compressed with."""
    patch = patched(new(changed(UNCOMPRESSED)), old(UNCOMPRESSED))
    assert method(patch) == Frames(FASTEST, like)
    assert patch is not None
    assert len(patch) < 500


@pytest.mark.parametrize(("old", "like"), [("go1-flate-6", (0,)), ("zlib-6", ())])
def test_decisions_are_taken_over_from_a_source_of_the_same_encoder(old: str, like: tuple[int, ...]) -> None:
    uncompressed = tar({"a": text(200_000, 1), "b": text(50_000, 2)})
    new = uncompressed[:100_000] + bytes([uncompressed[100_000] ^ 1]) + uncompressed[100_001:]
    assert method(patched(GO(new), replica(old)(uncompressed))) == Replica("go1-flate-6", GZIP_HEADER, like)


def test_zstd_is_a_source_of_gzip() -> None:
    assert method(patched(GO(changed(UNCOMPRESSED)), FRAMES(UNCOMPRESSED))) == Replica("go1-flate-6", GZIP_HEADER)


@pytest.mark.parametrize("file", sorted(CHUNKED.iterdir()), ids=lambda path: path.stem)
def test_files_of_podman_and_stargz(file: Path) -> None:
    """Whose plain layer, a little changed, is the source: their table of contents is all that is new."""
    blob = file.read_bytes()
    content: list[bytes] = []
    extract(BytesBlob(blob), len(blob), content.append, 1 << 20)
    old = changed(b"".join(content))
    patches = diff([blob], [old])
    assert isinstance(methods(patches)[0], Frames)
    assert patches.sizes[0] < 1500
    assert carry_out(patches, by_digest(old)) == by_digest(blob)


def test_zstd_by_an_encoder_that_differs_from_its_replica_is_corrected() -> None:
    """Its beginning is the replica's."""
    uncompressed = layer(*range(12), size=20_000)
    blob = ends_stored(FASTEST)(changed(uncompressed))
    patches = diff([blob], [GO(uncompressed)])
    assert methods(patches) == [CorrectedFrames(FASTEST)]
    assert patches.sizes[0] < 1000
    assert carry_out(patches, by_digest(GO(uncompressed))) == by_digest(blob)


def test_frames_of_zstd_that_are_the_same_travel_once() -> None:
    """As those of zstd:chunked, which compresses each file on its own."""
    old, new = frame_by_frame(UNCOMPRESSED), frame_by_frame(changed(UNCOMPRESSED))
    patch = patched(new, old)
    assert method(patch) == Raw()
    assert patch is not None
    assert len(patch) < len(new) // 3
    patches = diff([new], [old, GO(UNCOMPRESSED)])  # of which the latter has the same uncompressed data, but no frames
    assert patches.steps[0].sources == (Digest.of(old),)
    assert carry_out(patches, by_digest(old)) == by_digest(new)


def test_decisions_are_like_those_of_the_first_source_that_has_some() -> None:
    new = ENCODERS["huffman"](changed(UNCOMPRESSED))
    assert method(patched(new, UNCOMPRESSED, ENCODERS["huffman"](UNCOMPRESSED))) == Replay((1,))
    assert method(patched(new, UNCOMPRESSED, zstd(UNCOMPRESSED))) == Replay(())


@pytest.mark.parametrize("effort", Effort)
def test_effort_decides_between_a_smaller_patch_and_a_quicker_target(effort: Effort) -> None:
    """A layer with a byte changed, by a slow encoder: its decisions take about a hundred bytes, a name takes twelve."""
    uncompressed = layer(*range(8), size=20_000)
    slow = replica("zlib-9")
    old, new = slow(uncompressed), slow(uncompressed[:1000] + b"!" + uncompressed[1001:])
    found = method(patched(new, old, effort=effort))
    assert isinstance(found, Replica if effort is Effort.BEST else Replay)
    patches = diff([new], [old], effort=effort)
    assert carry_out(patches, by_digest(old)) == by_digest(new)


@pytest.mark.parametrize(("size", "methods_"), [((1 << 20) - 5000, 1), (1 << 20, 1), ((1 << 20) + 1, 0)])
def test_headers_up_to_a_mib(size: int, methods_: int) -> None:
    """A longer one is read by gunzip, not by the parser of decisions, and not where the encoder is looked for."""
    blob = GO(changed(UNCOMPRESSED))
    long = blob[:3] + b"\x08" + blob[4:10] + b"n" * (size - 11) + b"\0" + blob[10:]
    assert gzip.decompress(long) == changed(UNCOMPRESSED)
    patches = diff([long], [GO(UNCOMPRESSED)])
    assert len(methods(patches)) == methods_
    assert carry_out(patches, by_digest(GO(UNCOMPRESSED))) == (by_digest(long) if methods_ else {})


def test_deflate_that_only_gunzip_takes_is_for_replicas_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FormatError("the parser does not take it")

    monkeypatch.setattr(decision_reader, "GzipParser", refuse)
    assert method(patched(GO(changed(UNCOMPRESSED)), GO(UNCOMPRESSED))) == Replica("go1-flate-6", GZIP_HEADER)
    assert patched(ENCODERS["flushed"](changed(UNCOMPRESSED)), GO(UNCOMPRESSED)) is None


def test_a_replica_that_is_wrong_later_is_found_out_by_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognised by its beginning, tried on the whole, and given up for the next way."""
    monkeypatch.setattr(gzip_ways, "recognise", lambda _, **__: ["zlib-9", "zlib-1", "go1-flate-6"])
    found = method(patched(GO(changed(UNCOMPRESSED)), GO(UNCOMPRESSED)))
    assert found == Replica("go1-flate-6", GZIP_HEADER)


def test_an_encoder_that_seems_to_be_the_only_one_is_found_out_by_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone by the beginning; then more of the blob is looked at, to its end."""

    def recognised(start: bytes, *, flushed: bool, enough: int) -> list[str]:
        return recognise(start) if enough == sys.maxsize else ["zlib-9"]

    monkeypatch.setattr(gzip_ways, "recognise", recognised)
    found = method(patched(GO(changed(UNCOMPRESSED)), GO(UNCOMPRESSED)))
    assert found == Replica("go1-flate-6", GZIP_HEADER)


def test_no_encoder_is_looked_for_where_the_difference_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_ways, "recognise", None)
    monkeypatch.setattr(zstd_ways, "recognise_frames", None)
    for blob in (GO(noise(30_000, 1)), zstd(noise(30_000, 1))):
        assert patched(blob, GO(noise(30_000, 2))) is None


@pytest.mark.parametrize("effort", Effort)
def test_zstd_blobs_as_they_are_get_one_look_where_the_first_is_the_last(
    effort: Effort, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Effort | None] = []
    between = Differences.between

    def counted(self: Differences, target: Scratch, *args: Any, **options: Any) -> ScratchFile:
        if target.size == len(new):
            looks.append(options.get("effort"))
        return between(self, target, *args, **options)

    monkeypatch.setattr(Differences, "between", counted)
    old, new = frame_by_frame(UNCOMPRESSED), frame_by_frame(changed(UNCOMPRESSED))
    assert method(patched(new, old, effort=effort)) == Raw()
    assert looks == [Effort.FAST, *([] if effort is Effort.FAST else [None])]


def test_none_is_larger_than_its_blob() -> None:
    for blob in (noise(6000, 1), ENCODERS["stored"](noise(6000, 1))):
        assert patched(blob) is None


def test_adversary_51_work_that_is_stopped_ends() -> None:
    work = execution(memory=1 << 26)
    work.cancellation.cancel()
    before = descriptors()
    old, new = GO(UNCOMPRESSED), GO(changed(UNCOMPRESSED))
    with pytest.raises(CancelledError):
        patched(new, old, work=work)
    assert left_open(before) == 0


def test_the_step_says_what_was_made() -> None:
    patches: Patches = diff([GO(changed(UNCOMPRESSED))], [GO(UNCOMPRESSED)])
    step, blob = patches.steps[0], GO(changed(UNCOMPRESSED))
    assert (step.digest, step.size, step.uncompressed_size) == (Digest.of(blob), len(blob), len(changed(UNCOMPRESSED)))
    assert Digest.of(patches.contents[step.patch]) == step.patch
    assert [(s.digest, s.size, s.uncompressed_size) for s in patches.sources] == [
        (Digest.of(GO(UNCOMPRESSED)), len(GO(UNCOMPRESSED)), len(UNCOMPRESSED))
    ]


def jars(encode: Callable[[bytes], bytes], *files: bytes, year: int = 2020) -> bytes:
    return encode(tar({"app/bank.jar": archive({f"{i}.class": each for i, each in enumerate(files)}, year=year)}))


NESTING = {name: ENCODERS[name] for name in ("plain", "go", "flushed", "huffman")} | {
    "frames": framed("kzstd-1.17.8-default"),
    "frame replay": zstd,
    "corrected frames": ends_stored(FASTEST),
}


@pytest.mark.parametrize("encode", NESTING.values(), ids=NESTING)
def test_nested_content_is_expanded_under_every_encoder(encode: Callable[[bytes], bytes]) -> None:
    kept = [text(4000, seed) for seed in range(6)]
    old, new = jars(encode, *kept), jars(encode, *kept[:3], changed(kept[3]), *kept[4:])
    patch = patched(new, old)
    assert patch is not None
    recipe = read_header(BytesBlob(patch), len(patch))
    assert recipe.views is not None
    assert recipe.sections[0] < 500
    patches = diff([new], [old])
    assert carry_out(patches, by_digest(old)) == by_digest(new)
    assert {"encoder zlib-6", "view zip-entry"} <= {feature.name for feature in patches.features}


def test_views_that_cannot_be_folded_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's zlib says of a stream that it is zlib's; where the replica disagrees, the layer travels without."""
    old, new = (jars(bytes, text(4000, seed)) for seed in (1, 2))
    monkeypatch.setattr("airpatch.views.prove._SYSTEM", {"gzip-1": 6})
    monkeypatch.setattr("airpatch.views.prove.LIKELY", ())
    patch = patched(new, old)
    assert patch is not None
    assert read_header(BytesBlob(patch), len(patch)).views is None


def test_a_layer_with_new_nested_content_is_smaller_without_any_source() -> None:
    """As in full bundles that are repacked."""
    files = [text(3000, 1) + text(3000, seed) for seed in range(9)]
    patch = patched(jars(GO, *files))
    assert patch is not None
    assert len(patch) < len(jars(GO, *files)) * 3 // 4


@pytest.mark.parametrize(
    ("encode", "encoder", "expected", "known_still"),
    [
        (ENCODERS["go"], "go1-flate-6", (Replay, Corrected), ()),
        (framed("kzstd-1.17.8-fastest"), "kzstd-", (FrameReplay, CorrectedFrames), ()),
        (ENCODERS["zlib-9"], "zlib-9", (Replica,), ("gzip-9", "pigz-9")),  # which write the same here
    ],
)
def test_an_encoder_that_the_reader_lacks_is_not_used(
    encode: Callable[[bytes], bytes], encoder: str, expected: tuple[type, ...], known_still: tuple[str, ...]
) -> None:
    """What it wrote is made in another way, and that it would have been used is noted."""
    old, new = encode(UNCOMPRESSED), encode(changed(UNCOMPRESSED))
    lacks = {name for name in known_features() if name.startswith(f"encoder {encoder}")}
    reader = ReaderFeatures(known_features() - lacks)
    found = method(patched(new, old, reader=reader))
    assert isinstance(found, expected)
    assert reader.names is not None
    assert {feature.name for feature in features(found)} <= reader.names
    missed = reader.missed.get(Digest.of(new), set())
    assert bool(missed) != bool(known_still)
    assert missed <= lacks


def test_a_reader_that_knows_no_encoder_gets_patches_by_decisions() -> None:
    old, new = ENCODERS["flushed"](UNCOMPRESSED), ENCODERS["flushed"](changed(UNCOMPRESSED))
    assert isinstance(method(patched(new, old)), Corrected)
    assert isinstance(method(patched(new, old, reader=ReaderFeatures(frozenset()))), Replay)
