"""Single steps carried out: every method, what a hostile patch comes to, and whose fault it is."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.delta.decoder import decode
from airpatch.encoders.zstd_decisions import ParsedPiece
from airpatch.encoders.zstd_layout import emit_part
from airpatch.errors import BaseMismatch, FormatError, IntegrityError
from airpatch.layers.blob_builder import max_column
from airpatch.layers.frame_decisions import CoversOf, replica_frame, same_content
from airpatch.layers.frames import split
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    ViewSizes,
    Whole,
)
from airpatch.model.digest import Digest
from airpatch.views.description import emit_view
from tests.delta.support import delta, noise, tar
from tests.encoders.support import decisions
from tests.layers.support import (
    ENCODERS,
    GZIP_HEADER,
    Patches,
    by_digest,
    carry_out,
    changed,
    columns,
    descriptors,
    framed,
    handmade,
    layer,
    left_open,
    replayed,
    replica,
    text,
    zstd,
)
from tests.views.support import archive, source_view, undo, views

OLD, NEW = layer(1, size=9000), changed(layer(1, size=9000))
GO = replica("go1-flate-6")
FLUSHED = ENCODERS["flushed"]
FRAMES = framed("kzstd-1.17.8-default", 3000)


def sections() -> list[bytes]:
    return replayed(FLUSHED(NEW), NEW, FLUSHED(OLD), OLD)


def beside(file: bytes) -> list[bytes]:
    """Layout and rest of a zstd file."""
    parts = list(split(BytesBlob(file), len(file), 1 << 30, 64 << 10))
    return [b"".join(emit_part(part) for part, _ in parts), b"".join(rest for _, rest in parts)]


CORRECTED = Corrected(Replica("zlib-6", GZIP_HEADER))


def corrections() -> list[bytes]:
    """The sections of a file that is like that of a replica."""
    return [delta(NEW, [OLD]), *replayed(FLUSHED(NEW), NEW, replica("zlib-6")(NEW), NEW)[1:]]


def frame_replayed(encode: Callable[[bytes], bytes]) -> list[bytes]:
    """The sections of a replay of what `encode` makes, beside that of the old layer."""
    covers = CoversOf.source(0, [len(OLD)])
    difference = delta(NEW, [OLD])
    assert b"".join(decode(io.BytesIO(difference), [OLD], len(NEW), covers.take)) == NEW
    other = decisions(encode(OLD))
    own = decisions(encode(NEW), covers.covers.alignment(other.matches))
    return frame_sections(difference, own, other)


def frame_corrections(encode: Callable[[bytes], bytes], encoder: str) -> list[bytes]:
    """The sections of what `encode` makes, beside what a replica makes."""
    other = decisions(b"".join(replica_frame(encoder, [NEW], len(NEW))))
    own = decisions(encode(NEW), same_content(len(NEW)).alignment(other.matches))
    return frame_sections(delta(NEW, [OLD]), own, other)


def frame_sections(difference: bytes, own: ParsedPiece, other: ParsedPiece) -> list[bytes]:
    return [
        difference,
        delta(own.layout, [other.layout]),
        delta(own.runs, [other.runs]),
        delta(own.hits, []),
        delta(own.offsets, []),
    ]


JARS = [tar({"a.jar": archive({"a": each, "b": b"kept"})}) for each in (OLD, NEW)]


def nested(encode: Callable[[bytes], bytes], method: Method) -> Patches:
    """A layer with a jar of which a file changed: a difference of views."""
    old, new = JARS
    found = views(new, old)
    target, beside = undo(new, found), source_view(found, old)
    parts = [delta(target, [old, beside])]
    if isinstance(method, Corrected):
        parts += replayed(encode(new), new, replica("zlib-6")(new), new)[1:]
    parts += [delta(emit_view(view), []) for view in (found.target, found.source)]
    sizes = ViewSizes(len(target), len(beside))
    return handmade(encode(new), method, parts, {GO(old): old}, len(new), sizes)


GOOD = {
    "plain": handmade(NEW, Plain(), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW)),
    "replica": handmade(GO(NEW), Replica("go1-flate-6", GZIP_HEADER), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW)),
    "decisions taken over": handmade(
        GO(NEW), Replica("go1-flate-6", GZIP_HEADER, (0,)), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW)
    ),
    "replay": handmade(FLUSHED(NEW), Replay((0,)), sections(), {FLUSHED(OLD): OLD}, len(NEW)),
    "frames": handmade(
        FRAMES(NEW),
        Frames("kzstd-1.17.8-default", (0,)),
        [delta(NEW, [OLD]), *(delta(a, [b]) for a, b in zip(beside(FRAMES(NEW)), beside(FRAMES(OLD)), strict=True))],
        {FRAMES(OLD): OLD},
        len(NEW),
    ),
    "frame replay": handmade(zstd(NEW), FrameReplay((0,)), frame_replayed(zstd), {zstd(OLD): OLD}, len(NEW)),
    "frame replay alone": handmade(
        zstd(NEW),
        FrameReplay(()),
        [delta(NEW, [OLD]), *(delta(column, []) for column in astuple(decisions(zstd(NEW)))[:4])],
        {GO(OLD): OLD},
        len(NEW),
    ),
    "corrected frames": handmade(
        zstd(NEW),
        CorrectedFrames("kzstd-1.17.8-default"),
        frame_corrections(zstd, "kzstd-1.17.8-default"),
        {GO(OLD): OLD},
        len(NEW),
    ),
    "raw": handmade(FLUSHED(NEW), Raw(), [delta(FLUSHED(NEW), [FLUSHED(OLD)])], {FLUSHED(OLD): OLD}, len(NEW)),
    "corrected": handmade(FLUSHED(NEW), CORRECTED, corrections(), {GO(OLD): OLD}, len(NEW)),
    "whole": handmade(GO(NEW), Whole(), [GO(NEW)]),
    "views": nested(bytes, Plain()),
    "views and corrections": nested(FLUSHED, CORRECTED),
}
SOURCES = by_digest(GO(OLD), FLUSHED(OLD), FRAMES(OLD), GO(JARS[0]), zstd(OLD))


@pytest.mark.parametrize("method", GOOD)
def test_a_patch_made_by_hand(method: str) -> None:
    before = descriptors()
    made = carry_out(GOOD[method], SOURCES)
    others = {
        "plain": NEW,
        "replica": GO(NEW),
        "decisions taken over": GO(NEW),
        "whole": GO(NEW),
        "frames": FRAMES(NEW),
    }
    others |= dict.fromkeys(("frame replay", "frame replay alone", "corrected frames"), zstd(NEW))
    others |= {"views": JARS[1], "views and corrections": FLUSHED(JARS[1])}
    assert made == by_digest(others.get(method, FLUSHED(NEW)))
    assert left_open(before) == 0


def test_memory_of_all_that_a_replay_maps_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    released: set[int] = set()
    monkeypatch.setattr("airpatch.layers.blob_builder.RELEASE_EVERY", 0)
    monkeypatch.setattr("airpatch.layers.blob_builder.release_pages", lambda views: released.update(map(len, views)))
    carry_out(GOOD["replay"], SOURCES)
    assert released == {len(OLD), *map(len, columns(FLUSHED(OLD), OLD))}


def test_a_whole_blob_is_the_source_of_a_later_step() -> None:
    """Its uncompressed data is not made on the way, and is unpacked when it is asked for."""
    first = handmade(GO(OLD), Whole(), [GO(OLD)], uncompressed=len(OLD))
    second = handmade(GO(NEW), Replica("go1-flate-6", GZIP_HEADER), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW))
    patches = Patches([*first.steps, *second.steps], [], first.contents | second.contents)
    assert carry_out(patches, {}) == by_digest(GO(OLD), GO(NEW))


# Hostile patches

BAD: dict[str, Callable[[], Patches]] = {
    "an encoder that nobody knows": lambda: handmade(NEW, Replica("magic-9", b""), [delta(NEW, [])], None, len(NEW)),
    "a gzip header more": lambda: handmade(
        GO(NEW), Replica("go1-flate-6", GZIP_HEADER * 2), [delta(NEW, [])], None, len(NEW)
    ),
    "another encoder": lambda: handmade(GO(NEW), Replica("zlib-1", GZIP_HEADER), [delta(NEW, [])], None, len(NEW)),
    "decisions of another encoder": lambda: handmade(
        GO(NEW), Replica("go1-flate-6", GZIP_HEADER, (0,)), [delta(NEW, [OLD])], {FLUSHED(OLD): OLD}, len(NEW)
    ),
    "decisions of what is no gzip": lambda: handmade(
        GO(NEW), Replica("go1-flate-6", GZIP_HEADER, (0,)), [delta(NEW, [OLD])], {OLD: OLD}, len(NEW)
    ),
    "decisions that an encoder cannot take over": lambda: handmade(
        GO(NEW), Replica("go1-flate-1", GZIP_HEADER, (0,)), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW)
    ),
    "decisions of a source that it does not have": lambda: handmade(
        GO(NEW), Replica("go1-flate-6", GZIP_HEADER, (1,)), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW)
    ),
    "other uncompressed data": lambda: handmade(NEW, Plain(), [delta(OLD, [])], None, len(OLD)),
    "other bytes as a whole": lambda: handmade(NEW, Whole(), [OLD]),
    "like a source that it does not have": lambda: handmade(
        FLUSHED(NEW), Replay((1,)), sections(), {FLUSHED(OLD): OLD}, len(NEW)
    ),
    "like a source without decisions": lambda: handmade(FLUSHED(NEW), Replay((0,)), sections(), {OLD: OLD}, len(NEW)),
    "sections in another order": lambda: handmade(
        FLUSHED(NEW), Replay((0,)), [*sections()[:3], *sections()[:2:-1]], {FLUSHED(OLD): OLD}, len(NEW)
    ),
    "a byte of one section in the next": lambda: handmade(
        FLUSHED(NEW), Replay((0,)), shifted(sections()), {FLUSHED(OLD): OLD}, len(NEW)
    ),
    "corrections of another replica": lambda: handmade(
        FLUSHED(NEW), Corrected(Replica("go1-flate-6", GZIP_HEADER)), corrections(), {GO(OLD): OLD}, len(NEW)
    ),
    "corrections of an encoder that nobody knows": lambda: handmade(
        FLUSHED(NEW), Corrected(Replica("magic-9", GZIP_HEADER)), corrections(), {GO(OLD): OLD}, len(NEW)
    ),
    "decisions left over": lambda: handmade(FLUSHED(NEW), Replay(()), left_over(b"\0\0"), None, len(NEW)),
    "less uncompressed data than it says": lambda: handmade(NEW, Plain(), [delta(NEW, [])], None, len(NEW) + 1),
    "more uncompressed bytes than it says": lambda: handmade(NEW, Plain(), [delta(NEW, [])], None, len(NEW) - 1),
    "a difference cut short": lambda: handmade(NEW, Plain(), [delta(NEW, [])[:-3]], None, len(NEW)),
    "a difference and more": lambda: handmade(NEW, Plain(), [delta(NEW, []) + b"\0"], None, len(NEW)),
    "no difference at all": lambda: handmade(NEW, Plain(), [b""], None, len(NEW)),
    "a difference to more sources": lambda: handmade(NEW, Plain(), [delta(NEW, [OLD])], None, len(NEW)),
    "a difference to larger sources": lambda: handmade(
        NEW, Plain(), [delta(NEW, [OLD + OLD])], {GO(OLD): OLD}, len(NEW)
    ),
}


def shifted(parts: Sequence[bytes]) -> list[bytes]:
    return [parts[0][:-1], parts[0][-1:] + parts[1], *parts[2:]]


def left_over(more: bytes) -> list[bytes]:
    own = columns(FLUSHED(NEW), NEW)
    return [delta(part, []) for part in (NEW, *own[:3], own[3] + more)]


@pytest.mark.parametrize("what", BAD)
def test_adversary_35_36_hostile_patches(what: str) -> None:
    before = descriptors()
    patches = BAD[what]()
    there = by_digest(OLD, GO(OLD), FLUSHED(OLD))
    with pytest.raises((FormatError, IntegrityError), match=f"layer patch of {patches.steps[0].digest}: ") as caught:
        carry_out(patches, there)
    assert not isinstance(caught.value, BaseMismatch)
    del caught
    assert left_open(before) == 0


@given(st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=60)
def test_adversary_27_any_byte_of_a_patch_changed(method: str, data: st.DataObject) -> None:
    """What comes out is the blob or an error. That the patch has its digest was checked before."""
    good = GOOD[method]
    step = good.steps[0]
    patch = bytearray(good.contents[step.patch])
    place = data.draw(st.integers(0, len(patch) - 1))
    patch[place] ^= data.draw(st.integers(1, 255))
    try:
        made = carry_out(Patches(good.steps, good.sources, {step.patch: bytes(patch)}), SOURCES)
    except (FormatError, IntegrityError):
        return
    assert Digest.of(made[step.digest]) == step.digest


BOMB = bytes(64 << 20)


@pytest.mark.parametrize(
    "method", [Plain(), Replica("zlib-9", GZIP_HEADER), Replay(())], ids=["plain", "replica", "replay"]
)
def test_adversary_36_bombs_write_no_more_than_the_blob(method: Plain | Replica | Replay) -> None:
    """A few KiB that make 64 MiB of uncompressed data, which the index allows: the blob's size ends it."""
    parts = [delta(BOMB, [])]
    if isinstance(method, Replay):
        stored = b"\x23" + bytes([10]) + GZIP_HEADER + (b"\x00\xff\xff\x03") * 1000  # blocks of 65535 stored bytes
        parts += [delta(stored, []), *[delta(b"\0", [])] * 2, delta(b"", [])]
    patches = handmade(noise(1000, 1), method, parts, None, len(BOMB))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="makes more than the blob's 1000 bytes"):
            carry_out(patches, {})
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    finally:
        tracemalloc.stop()


def test_adversary_36_decisions_are_bounded_by_the_blob() -> None:
    parts = [delta(NEW, []), delta(bytes(max_column(1000) + 1), []), *[delta(b"", [])] * 3]
    with pytest.raises(FormatError, match="at most"):
        carry_out(handmade(noise(1000, 1), Replay(()), parts, None, len(NEW)), {})


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "plain"])
def test_no_blob_has_larger_columns_than_a_reader_takes(name: str) -> None:
    for uncompressed in (b"", OLD, bytes(50_000), noise(50_000, 1), bytes(range(256)) * 100):
        blob = ENCODERS[name](uncompressed)
        if blob.startswith(b"\x1f\x8b"):
            assert max(map(len, columns(blob, uncompressed))) <= max_column(len(blob))


# Whose fault it is


@pytest.mark.parametrize("method", ["plain", "replica", "replay"])
@pytest.mark.parametrize("damage", ["other", "junk"])
def test_adversary_29_a_source_that_is_wrong_is_named(method: str, damage: str) -> None:
    patches = GOOD[method]
    source = patches.sources[0]
    wrong = GO(text(30_000, 3)) if damage == "other" else noise(30_000, 3)
    with pytest.raises(BaseMismatch, match="damaged") as caught:
        carry_out(patches, {source.digest: wrong[: source.size].ljust(source.size, b"\0")})
    assert [str(source.digest) in finding for finding in caught.value.findings] == [True]


def test_adversary_29_of_two_sources_only_the_wrong_one_is_named() -> None:
    uncompressed = OLD + NEW
    patches = handmade(
        uncompressed, Plain(), [delta(uncompressed, [OLD, NEW])], {GO(OLD): OLD, NEW: NEW}, len(uncompressed)
    )
    with pytest.raises(BaseMismatch) as caught:
        carry_out(patches, by_digest(GO(OLD)) | {Digest.of(NEW): NEW[::-1]})
    assert len(caught.value.findings) == 1
    assert str(Digest.of(NEW)) in caught.value.findings[0]


def test_a_source_whose_uncompressed_the_index_gets_wrong_is_the_fault_of_the_patch() -> None:
    good = GOOD["plain"]
    lying = replace(good.sources[0], uncompressed_size=good.sources[0].uncompressed_size + 1)
    with pytest.raises(FormatError, match=f"{lying.digest}: has {len(OLD)} uncompressed bytes"):
        carry_out(Patches(good.steps, [lying], good.contents), SOURCES)


def test_a_view_that_grows_is_stopped_where_the_index_says() -> None:
    """Both by what the header says and by what is inflated: what scratch space is for is known beforehand."""
    good = GOOD["views"]
    (step,) = good.steps
    short = replace(step, expanded=step.expanded - 1)
    with pytest.raises(FormatError, match="larger than its index says"):
        carry_out(Patches([short], good.sources, good.contents), SOURCES)
