"""Times and checksums of tar headers are foretold: a layer that is built again costs what changed in its files."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.effort import Effort
from airpatch.delta.tar_headers import CHECKSUM, HEADER, TarHeaders, find_headers
from spec.reader.delta import apply
from tests.delta.support import delta, noise, rebuild

NAMES = [f"usr/lib/python3/{noise(3, number).hex()}/file" for number in range(300)]
_HEADER = re.compile(rb"(?s).{136}[0-7]{11}.[0-7]{6}.{103}ustar.{250}")


def built(time: Callable[[int], int], names: list[str] = NAMES, edited: int | None = None) -> bytes:
    """A tar of folders, links and files, each at its `time`; the content of one may be `edited`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number, name in enumerate(names):
            content = noise(number % 7 * 300, number) if number % 3 else b""
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if number % 9 == 3 else tarfile.REGTYPE
            info.size = len(content) + 11 * (number == edited)
            info.mtime = time(number)
            archive.addfile(info, io.BytesIO(content + b"eleven more" * (number == edited)))
    return buffer.getvalue()


OLD = built(lambda _: 1_700_000_000)


@pytest.mark.parametrize("effort", list(Effort))
def test_a_layer_that_is_built_again_costs_next_to_nothing(effort: Effort) -> None:
    new = built(lambda _: 1_701_234_567)
    assert sum(a != b for a, b in zip(OLD, new, strict=True)) > 2000
    data = delta(new, [OLD], effort)
    assert rebuild(data, [OLD]) == apply(data, [OLD], len(new)) == new
    assert len(data) < 100


@pytest.mark.parametrize("effort", list(Effort))
def test_each_time_is_told_once(effort: Effort) -> None:
    """Files of ten packages, each of which was built again or was not."""
    old = built(lambda number: 1_600_000_000 + number % 10)
    new = built(lambda number: 1_600_000_000 + number % 10 + (number % 10) ** 7 * (number % 2))
    data = delta(new, [old], effort)
    assert rebuild(data, [old]) == apply(data, [old], len(new)) == new
    assert len(data) < 300


def test_times_that_nobody_has_seen_move_like_the_one_before() -> None:
    old = built(lambda number: 1_600_000_000 + 1009 * number)
    new = built(lambda number: 1_700_000_123 + 1009 * number)
    assert len(delta(new, [old])) < 100


def test_a_checksum_follows_from_what_changed_before_it() -> None:
    new = built(lambda _: 1_700_000_000, edited=0)[:HEADER]
    copy = bytearray(OLD[:HEADER])
    TarHeaders().foretell(OLD[:HEADER], new, copy, [0])
    assert copy[CHECKSUM:] == new[CHECKSUM:] != OLD[CHECKSUM:HEADER]


def test_headers_are_found_wherever_they_begin() -> None:
    header = OLD[:HEADER]
    assert find_headers(header) == [0]
    assert find_headers(header[:-1]) == find_headers(header[1:]) == []
    assert find_headers(b"ustar" * 60 + header + header + b"xx" + header) == [300, 812, 1326]
    assert find_headers(header[:250] + header) == [250]
    assert find_headers(header[:300] + header) == [0]  # the first of two that overlap
    for at, wrong in ((136, b"8"), (146, b" "), (148, b"9"), (153, b"\0"), (257, b"U"), (261, b"s")):
        assert find_headers(header[:at] + wrong + header[at + 1 :]) == []


@given(
    st.lists(st.one_of(st.just(OLD[:HEADER]), st.binary(max_size=40), st.integers(0, 500).map(lambda n: OLD[n:512])))
)
def test_headers_are_those_of_the_pattern(parts: list[bytes]) -> None:
    data = b"".join(parts)
    expected, at = [], 0
    while found := next((m for m in (_HEADER.match(data, i) for i in range(at, len(data))) if m), None):
        expected.append(found.start())
        at = found.end()
    assert find_headers(data) == expected


def test_what_is_foretold() -> None:
    headers, source = TarHeaders(), OLD[:HEADER]
    first = built(lambda _: 1_700_000_777)[:HEADER]
    copy = bytearray(source)
    headers.foretell(source, first, copy, [0])
    assert copy[:CHECKSUM] == source[:CHECKSUM]  # nothing is known yet of this time
    assert copy[CHECKSUM:] == first[CHECKSUM:]
    copy = bytearray(source)
    headers.foretell(source, copy, copy, [0])
    assert copy == first


@pytest.mark.parametrize("effort", [Effort.FAST, Effort.DEFAULT])
@pytest.mark.parametrize("stretch", [512, 700, 4000])
def test_headers_across_stretches(stretch: int, effort: Effort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stretch that ends within a header nothing is foretold."""
    for name in ("airpatch.delta.encoder.CHUNK", "airpatch.delta.decoder.CHUNK", "spec.reader.delta.MAX_STRETCH"):
        monkeypatch.setattr(name, stretch)
    old, new = OLD[:50_000], built(lambda _: 1_701_234_567)[:50_000]
    data = delta(new, [old], effort)
    assert rebuild(data, [old]) == apply(data, [old], len(new)) == new


@given(st.lists(st.tuples(st.integers(0, len(OLD) - 1), st.integers(0, 255)), max_size=20), st.sampled_from(Effort))
def test_headers_of_any_content(changes: list[tuple[int, int]], effort: Effort) -> None:
    size = 40 * HEADER
    old, new = bytearray(OLD[:size]), bytearray(built(lambda number: 1_700_000_000 + number // 20)[:size])
    for at, value in changes:
        (old if value % 2 else new)[at % size // HEADER * HEADER + at % 200] = value
    data = delta(bytes(new), [bytes(old)], effort)
    assert rebuild(data, [bytes(old)]) == apply(data, [bytes(old)], len(new)) == new
