"""What a layer patch leaves to encoders is bounded, by no less than airpatch may leave to them."""

from __future__ import annotations

import io
import random
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from airpatch import limits
from airpatch.blobs.content import BytesBlob
from airpatch.encoders.libzopfli import AVAILABLE, EACH_STREAM, zopfli_deflater, zopfli_effort
from airpatch.encoders.replicas import Deflater, deflater
from airpatch.encoders.zstd_layout import build, emit_part
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import FormatError
from airpatch.layers.frames import split
from airpatch.layers.recipe import Corrected, Frames, Plain, Replay, Replica, ViewSizes
from airpatch.model.digest import Digest
from airpatch.views import prove
from airpatch.views.description import END, FIRST_CODING, Coding, View, emit_view
from tests.delta.support import delta
from tests.layers.support import (
    GZIP_HEADER,
    Patches,
    carry_out,
    changed,
    diff,
    flushed,
    framed,
    handmade,
    layer,
    methods,
    replayed,
    replica,
)

ZOPFLI = "zopfli-1.0.3-15"
TWO_LETTERS = bytes(random.Random(1).choices(b"ab", k=20_000))
ZSTD = "kzstd-1.17.8-fastest"


def made(encoder: Deflater, content: bytes) -> bytes:
    return encoder.feed(content) + encoder.finish()


def by_stream(encoder: str, *contents: bytes) -> Patches:
    """A layer patch that makes a layer, deflate streams by that encoder, out of what they hold."""
    packed = b"".join(made(zopfli_deflater(ZOPFLI) if encoder == ZOPFLI else deflater(encoder), c) for c in contents)
    actions = bytes([FIRST_CODING, END] * len(contents)) + bytes([END])
    lengths = array("q", [length for content in contents for length in (0, len(content))] + [0])
    view = View((Coding("raw", encoder),), actions, lengths)
    nothing = emit_view(View((), bytes([END]), array("q", [0])))
    content = b"".join(contents)
    sections = [delta(content, [content, b""]), delta(emit_view(view), []), delta(nothing, [])]
    return handmade(packed, Plain(), sections, {content: content}, len(packed), ViewSizes(len(content), 0))


def steps_of(encoder: str, content: bytes, pool: ThreadPoolExecutor | None = None) -> int:
    """All steps of a stream."""
    told: list[int] = []
    made(deflater(encoder, pool, search=told.append), content)
    return sum(told)


@contextmanager
def most_steps(count: int) -> Iterator[None]:
    """A layer patch may take so many steps, whatever the size of its layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "search", lambda size: count)
        yield


def need(steps: int, patches: Patches, there: bytes) -> None:
    """The layer patch takes that many steps, and is refused where one less is allowed."""
    blobs = {Digest.of(there): there}
    with most_steps(steps):
        assert len(carry_out(patches, blobs)) == 1
    with (
        most_steps(steps - 1),
        pytest.raises(FormatError, match=r"search for more than \d+ \(--limit search raises that\) steps for each"),
    ):
        carry_out(patches, blobs)


@pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no zopfli")
def test_what_a_layer_patch_leaves_to_slow_encoders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = layer(1, size=5000)
    patches = by_stream(ZOPFLI, content)
    there = {Digest.of(content): content}
    work = EACH_STREAM + zopfli_effort(content)
    monkeypatch.setattr(limits.SLOW, "value", work)
    assert len(carry_out(patches, there)) == 1
    monkeypatch.setattr(limits.SLOW, "value", work - 1)
    with pytest.raises(FormatError, match=r"slow encoders are given more than \d+ \(--limit slow raises that\) bytes"):
        carry_out(patches, there)


def test_no_target_needs_more_than_a_host_takes() -> None:
    assert limits.SLOW.value >= 2 * prove.MAX_SLOW  # one for libbrotli, one for zopfli


@pytest.mark.parametrize("encoder", ["gzip-9", "go1-flate-9", "pgzip/klauspost-1.18.2-9", "zlib-ng-2.2.5-9"])
def test_adversary_63_what_an_encoder_searches_is_bounded(encoder: str) -> None:
    method = Replica(encoder, GZIP_HEADER)
    difference = [delta(TWO_LETTERS, [TWO_LETTERS])]
    blob = replica(encoder)(TWO_LETTERS)
    patches = handmade(blob, method, difference, {TWO_LETTERS: TWO_LETTERS}, len(TWO_LETTERS))
    need(steps_of(encoder, TWO_LETTERS), patches, TWO_LETTERS)


def test_what_is_corrected_is_searched_before() -> None:
    encoder, blob = "zlib-6", flushed(TWO_LETTERS)
    sections = [delta(TWO_LETTERS, [TWO_LETTERS])]
    sections += replayed(blob, TWO_LETTERS, replica(encoder)(TWO_LETTERS), TWO_LETTERS)[1:]
    method = Corrected(Replica(encoder, GZIP_HEADER))
    patches = handmade(blob, method, sections, {TWO_LETTERS: TWO_LETTERS}, len(TWO_LETTERS))
    need(steps_of(encoder, TWO_LETTERS), patches, TWO_LETTERS)


@pytest.mark.parametrize("encoder", ["zlib-9", "go1-flate-6", "klauspost-1.18.2-5"])
def test_adversary_63_each_stream_of_a_view_is_counted(encoder: str) -> None:
    contents = [b"a", TWO_LETTERS[:3000], b""]
    need(sum(steps_of(encoder, each) for each in contents), by_stream(encoder, *contents), b"".join(contents))
    assert steps_of(encoder, b"") > 1000  # even an empty one takes time


def test_each_part_of_zstd_frames_is_counted() -> None:
    file = framed(ZSTD, 3000)(TWO_LETTERS)
    parts = list(split(BytesBlob(file), len(file), 1 << 30, 64 << 10))
    layout, rest = b"".join(emit_part(part) for part, _ in parts), b"".join(beside for _, beside in parts)
    told: list[int] = []
    reads = [io.BytesIO(data).read for data in (layout, TWO_LETTERS, rest)]
    assert b"".join(build(frame_encoder(ZSTD), reads[0], reads[1], reads[2], told.append)) == file
    assert len(told) == len(parts)
    sections = [delta(TWO_LETTERS, [TWO_LETTERS]), delta(layout, []), delta(rest, [])]
    patches = handmade(file, Frames(ZSTD, ()), sections, {TWO_LETTERS: TWO_LETTERS}, len(TWO_LETTERS))
    need(sum(told), patches, TWO_LETTERS)


def test_a_sender_takes_another_way_where_a_host_would_refuse() -> None:
    encode = replica("zlib-9")
    old = layer(1, 2, size=20_000)
    new, blobs = changed(old), {Digest.of(encode(old)): encode(old)}
    usual = diff([encode(new)], [encode(old)])
    assert [type(method) for method in methods(usual)] == [Replica]
    with most_steps(1000):
        other = diff([encode(new)], [encode(old)])
        assert [type(method) for method in methods(other)] == [Replay]
        assert list(carry_out(other, blobs).values()) == [encode(new)]
        with pytest.raises(FormatError, match="--limit search"):
            carry_out(usual, blobs)


@pytest.mark.parametrize("encoder", ["pgzip/klauspost-1.18.2-9", "pigz-9", "pigz-9-rsyncable"])
def test_threads_take_the_same_steps(encoder: str) -> None:
    content = TWO_LETTERS * 20
    with ThreadPoolExecutor(2) as pool:
        assert steps_of(encoder, content, pool) == steps_of(encoder, content)


def test_adversary_63_a_flush_takes_steps() -> None:
    """pigz -R flushes where the content says so: here at every fifth byte."""
    often, never = bytes.fromhex("b07670ebb9") * 1000, bytes(5000)
    assert steps_of("pigz-6-rsyncable", often) > 20 * steps_of("pigz-6-rsyncable", never)


def test_the_bound_grows_with_the_layer() -> None:
    assert limits.search(1 << 30) - limits.search(0) == limits.SEARCH.value << 30
    assert limits.search(0) > 0
