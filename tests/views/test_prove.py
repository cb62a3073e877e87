"""Libraries that made streams are found by making them; the replicas are looked at in test_choose.py."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

import brotli
import pytest
import zopfli.gzip
import zstandard

from airpatch.encoders.libbrotli import AVAILABLE, QUALITIES, brotli_encoder
from airpatch.encoders.zstd_stream import ZstdStreamEncoder
from airpatch.views import prove
from airpatch.views.description import Coding
from airpatch.views.prove import Prover
from airpatch.views.survey import FoundLevel, check, survey
from tests.delta.support import noise
from tests.layers.support import replica
from tests.views.support import text, undo, views

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no libbrotli")
CONTENT = text(30_000, 1)


def stream(quality: int, window: int, content: bytes = CONTENT, tail: bytes = b"") -> FoundLevel:
    (level,) = survey(memoryview(brotli.compress(content, quality=quality, lgwin=window) + tail), b"x.js.br")
    assert check(level)
    return level


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_quality_is_found(quality: int) -> None:
    assert Prover().encoder(stream(quality, 22)) == f"libbrotli-1.2.1-{quality}-22"


@pytest.mark.parametrize("window", [10, 11, 15, 16, 17, 18, 22])
def test_the_window_is_found(window: int) -> None:
    assert Prover().encoder(stream(11, window)) == f"libbrotli-1.2.1-11-{window}"


def test_what_follows_a_stream_is_no_part_of_it() -> None:
    assert Prover().encoder(stream(11, 22, tail=b"tail")) == "libbrotli-1.2.1-11-22"


@pytest.mark.parametrize(("quality", "window"), [(1, 22), (3, 22), (11, 24)])
def test_no_other_encoder_is_found(quality: int, window: int) -> None:
    assert Prover().encoder(stream(quality, window)) is None


def test_slow_ones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "MAX_SLOW", 50_000)
    prover = Prover()
    found = [prover.encoder(stream(11, 22)) for _ in range(3)]
    assert found == ["libbrotli-1.2.1-11-22", None, None]
    assert prover.encoder(stream(9, 22)) == "libbrotli-1.2.1-9-22"


def test_a_host_counts_no_more_than_the_prover(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    encoder = brotli_encoder("libbrotli-1.2.1-11-22", told.append)
    encoder.feed(CONTENT)
    encoder.finish()
    monkeypatch.setattr(prove, "MAX_SLOW", 2 * sum(told) - 1)
    prover = Prover()
    assert [prover.encoder(stream(11, 22)) for _ in range(2)] == ["libbrotli-1.2.1-11-22", None]


def test_after_many_brotli_streams_of_others_few_are_tried() -> None:
    prover = Prover()
    assert [prover.encoder(stream(3, 22)) for _ in range(16)] == [None] * 16
    found = [prover.encoder(stream(5, 22)) for _ in range(17)]
    assert found == [None] * 15 + ["libbrotli-1.2.1-5-22"] * 2


def test_slow_work_can_be_ended() -> None:
    class Ended(Exception):
        pass

    def end() -> None:
        raise Ended

    for level in (stream(11, 22), gzip_stream(zopfli.gzip.compress(CONTENT))):
        with pytest.raises(Ended):
            Prover(pause=end).encoder(level)


def test_a_reader_without_brotli_is_noted() -> None:
    noted = []

    class Older:
        def knows(self, coding: Coding) -> bool:
            return False

        def note_unknown(self, coding: Coding) -> None:
            noted.append(coding)

    assert Prover().encoder(stream(11, 22), Older()) is None
    assert noted == [Coding("brotli", "libbrotli-1.2.1-11-22")]


def gzip_stream(packed: bytes) -> FoundLevel:
    (level,) = survey(memoryview(packed), b"x.js.gz")
    assert check(level)
    return level


def test_zopfli_is_found() -> None:
    level = gzip_stream(zopfli.gzip.compress(CONTENT))
    assert Prover().encoder(level) == "zopfli-1.0.3-15"
    old, new = (zopfli.gzip.compress(content) for content in (CONTENT, CONTENT + b"new"))
    assert b"new" in undo(new, views(new, old))


@pytest.mark.parametrize("name", ["zlib-9-flushed", "zlib-5-flushed", "go1-flate-6-flushed"])
def test_flushed_streams_are_found_whatever_came_before(name: str) -> None:
    prover = Prover()
    plain = gzip_stream(gzip.compress(CONTENT, 9))
    stream = gzip_stream(replica(name)(CONTENT))
    assert [prover.encoder(each) for each in (stream, plain, stream)] == [name, "zlib-9", name]


def test_a_flushed_stream_is_expanded_beside_one_that_is_not() -> None:
    old, new = gzip.compress(CONTENT, 9), replica("zlib-9-flushed")(CONTENT + b"new")
    assert b"new" in undo(new, views(new, old))


@pytest.mark.parametrize("name", ["zlib-ng-2.2.2-6", "zlib-ng-2.2.5-6-8k"])
def test_zlib_ng_is_found(name: str) -> None:
    packed = (Path(__file__).parents[2] / f"fixtures/encoders/{name}.gz").read_bytes()
    assert Prover().encoder(gzip_stream(packed)) == name


def test_zopfli_with_other_iterations_is_not_found_and_given_up() -> None:
    prover = Prover()
    for size in range(20_000, 24_000, 1000):
        assert prover.encoder(gzip_stream(zopfli.gzip.compress(CONTENT[:size], numiterations=1))) is None
    assert prover.encoder(gzip_stream(zopfli.gzip.compress(CONTENT))) is None


def test_zopfli_is_not_tried_on_what_is_larger() -> None:
    """By a strategy that no replica has."""
    filtered = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
    packed = gzip.compress(CONTENT, mtime=0)[:10] + filtered.compress(CONTENT) + filtered.flush()
    packed += gzip.compress(CONTENT)[-8:]
    prover = Prover()
    for _ in range(4):
        assert prover.encoder(gzip_stream(packed)) is None
    assert prover.encoder(gzip_stream(zopfli.gzip.compress(CONTENT))) == "zopfli-1.0.3-15"


def test_zopfli_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "MAX_SLOW", 200_000)
    prover = Prover()
    level = gzip_stream(zopfli.gzip.compress(CONTENT))
    assert [prover.encoder(level) for _ in range(2)] == ["zopfli-1.0.3-15", None]


def test_content_that_is_slow_counts_as_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zopfli looks at all places with the same three bytes: of two letters it makes 15 kB/s."""
    monkeypatch.setattr(prove, "MAX_SLOW", 200_000)
    tried = []
    prover = Prover(pause=lambda: tried.append(True))
    slow = bytes(b"ab"[byte & 1] for byte in noise(20_000, 1))
    assert prover.encoder(gzip_stream(zopfli.gzip.compress(slow, numiterations=1))) is None
    assert not tried
    assert prover.encoder(gzip_stream(zopfli.gzip.compress(CONTENT))) == "zopfli-1.0.3-15"


def frame(name: str, content: bytes = CONTENT) -> FoundLevel:
    encoder = ZstdStreamEncoder(name)
    (level,) = survey(memoryview(encoder.feed(content) + encoder.finish() + b"tail"), b"x.zst")
    assert check(level)
    return level


LONG = text(300_000, 2)


@pytest.mark.parametrize(
    "name",
    [
        "libzstd-1.5.7-3",
        "libzstd-1.5.7-19-sized",
        "libzstd-1.5.6-19-nosum",
        "libzstd-1.5.7-3-once-nosum",
        "libzstd-1.5.7-19-once",
        "kzstd-1.18.5-better",
    ],
)
def test_the_encoder_of_a_zstd_frame_is_found(name: str) -> None:
    level = frame(name, LONG)
    found = Prover().encoder(level)
    assert found is not None
    assert frame(found, LONG).data == level.data


def test_level_19_is_found_where_few_matches_are_at_first() -> None:
    program = Path(sys.executable).resolve().read_bytes()[:300_000]
    assert Prover().encoder(frame("libzstd-1.5.7-19-nosum", program)) is not None


def test_little_takes_no_workers() -> None:
    assert Prover().encoder(frame("libzstd-1.5.7-3-mt")) == "libzstd-1.5.7-3"


def test_frames_of_others_stay_packed() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, hash_log=8, chain_log=8)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(LONG)
    (level,) = survey(memoryview(packed), b"x.zst")
    assert check(level)
    assert Prover().encoder(level) is None


def test_zstd_shares_the_bound_of_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "MAX_SLOW", 50_000)
    prover = Prover()
    assert prover.encoder(stream(11, 22)) == "libbrotli-1.2.1-11-22"
    assert prover.encoder(frame("libzstd-1.5.7-19-sized")) is None


def test_a_host_counts_no_more_for_zstd_than_the_prover(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    encoder = ZstdStreamEncoder("libzstd-1.5.7-19-sized", told.append)
    encoder.feed(CONTENT)
    encoder.finish()
    monkeypatch.setattr(prove, "MAX_SLOW", 2 * sum(told) - 1)
    prover = Prover()
    found = [prover.encoder(frame("libzstd-1.5.7-19-sized")) for _ in range(2)]
    assert found == ["libzstd-1.5.7-19-sized", None]


def test_a_frame_of_known_size_that_is_too_large_stays_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    level = frame("libzstd-1.5.7-3-sized")
    monkeypatch.setattr(prove, "MAX_SIZED", len(CONTENT) - 1)
    assert Prover().encoder(level) is None
