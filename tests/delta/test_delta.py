"""Deltas of whole byte strings: what goes in comes out, small where it should be, in bounded time."""

from __future__ import annotations

import io
import itertools
import mmap
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.delta.columns import COLUMNS, CONTROL, LENGTHS, SOURCES, ColumnCompressor
from airpatch.delta.decoder import CHUNK, MAGIC, copied_source, decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.delta.varints import put, zigzag
from airpatch.errors import FormatError, UsageError
from tests.delta.support import ENTRIES, delta, noise, program, rebuild, tar

BASE = noise(40_000, 1)


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Sources, and a target made of pieces of them and of itself, of runs and of new bytes, with changes."""
    sources = [noise(draw(st.integers(0, 5000)), seed) for seed in range(draw(st.integers(0, 3)))]
    target = bytearray()
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.integers(0, 3))
        pool = bytes(target) if kind == 0 else draw(st.sampled_from(sources)) if kind == 1 and sources else b""
        if pool:
            start = draw(st.integers(0, len(pool)))
            target += pool[start : start + draw(st.integers(0, 3000))]
        elif kind == 2:
            target += draw(st.binary(min_size=1, max_size=9)) * draw(st.integers(1, 400))
        else:
            target += draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 8))):
        if target:
            target[draw(st.integers(0, len(target) - 1))] = draw(st.integers(0, 255))
    return sources, bytes(target)


@given(edited(), st.sampled_from(Effort))
@settings(deadline=None, max_examples=60)
def test_random_edits_come_back(case: tuple[list[bytes], bytes], effort: Effort) -> None:
    sources, target = case
    assert rebuild(delta(target, sources, effort), sources) == target


@given(edited())
@settings(deadline=None, max_examples=60)
def test_who_makes_a_delta_sees_the_covers_that_its_reader_sees(case: tuple[list[bytes], bytes]) -> None:
    sources, target = case
    made: list[tuple[int, int, int]] = []
    read: list[tuple[int, int, int]] = []
    written = b"".join(encode(target, sources, entries=ENTRIES, see=made.extend))
    assert b"".join(decode(io.BytesIO(written), sources, len(target), read.extend)) == target
    assert made == [cover for cover in read if cover[2]]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 63, 64, 65, 511, 512, 4095, 4096, 4097])
def test_sizes_at_the_borders(size: int) -> None:
    target = BASE[:size]
    for sources in ([], [b""], [target], [BASE], [b"", BASE, b""]):
        assert rebuild(delta(target, sources), sources) == target


def test_equal_targets_cost_next_to_nothing() -> None:
    assert len(delta(BASE, [BASE])) < 100


def test_a_target_that_is_a_source_takes_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.delta.encoder.Planner", None)
    monkeypatch.setattr("airpatch.delta.covers._COPIED", 4096)
    calls: list[int] = []
    sources = [BASE[1:] + b"x", BASE[:5000], BASE]
    data = b"".join(encode(BASE, sources, entries=ENTRIES, release_pages=lambda: calls.append(1)))
    assert rebuild(data, sources) == BASE
    assert len(calls) > len(BASE) // 4096
    assert len(data) < 200


def copied(data: bytes, sources: Sequence[bytes]) -> int | None:
    return copied_source(io.BytesIO(data), [len(source) for source in sources], 1 << 30)


@pytest.mark.parametrize(
    ("sources", "number"),
    [
        ([BASE], 0),
        ([b"", BASE], 1),
        ([BASE[1:] + b"x", b"", BASE, BASE[:5000]], 2),
        ([BASE + b"x"], None),
        ([BASE[:-1] + b"x"], None),
        ([BASE[20_000:] + BASE[:20_000]], None),
        ([BASE[:20_000], BASE[20_000:], bytes(len(BASE))], None),
        ([], None),
    ],
)
def test_a_copy_of_a_source_is_told_without_the_sources(
    sources: list[bytes], number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airpatch.delta.covers._COPIED", 4096)
    assert copied(delta(BASE, sources), sources) == number


def test_what_decode_refuses_is_no_copy() -> None:
    data = delta(BASE, [BASE])
    for wrong in (data[:-1], data + b"x", b"x" + data[1:]):
        with pytest.raises(FormatError):
            copied(wrong, [BASE])
    for sources in ([BASE + b"x"], [BASE, BASE]):
        with pytest.raises(FormatError):
            copied(data, sources)
    with pytest.raises(FormatError):
        copied_source(io.BytesIO(data), [len(BASE)], len(BASE) - 1)
    assert copied(delta(b"", [b""]), [b""]) is None


def by_hand(size: int, control: Sequence[int], lengths: Sequence[int] = (), sources: Sequence[int] = ()) -> bytes:
    """A delta from one source of `size` bytes to a target of as many, of one segment with these numbers."""
    out = bytearray(MAGIC)
    for number in (size, 1, size):
        put(out, number)
    columns = [bytearray() for _ in range(COLUMNS)]
    for column, numbers in ((CONTROL, control), (LENGTHS, lengths), (SOURCES, sources)):
        for number in numbers:
            put(columns[column], number)
    return bytes(out) + b"".join(ColumnCompressor([3] * COLUMNS, size).segment(columns))


@pytest.mark.parametrize(("begin", "number"), [(20_000, 0), (0, None)])
def test_a_copy_is_told_from_all_groups(begin: int, number: int | None) -> None:
    """Two groups of a cover each; the second one begins at `begin` of the source."""
    data = by_hand(40_000, [2, 1, 0, 1, 0], [0, 20_000, 0, 20_000], [0, zigzag(begin - 20_000)])
    assert rebuild(data, [BASE]) == BASE[:20_000] + BASE[begin : begin + 20_000]
    assert copied(data, [BASE]) == number


def test_a_segment_of_nothing_is_refused() -> None:
    with pytest.raises(FormatError, match="without content"):
        rebuild(by_hand(40_000, []), [BASE])


def test_a_long_copy_comes_in_pieces() -> None:
    source = noise(CHUNK, 2) + noise(CHUNK // 4, 3)
    pieces = list(decode(io.BytesIO(delta(source, [source])), [source], len(source)))
    assert b"".join(pieces) == source
    assert len(pieces) > 1


def test_no_long_time_is_spent_on_telling_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.delta.covers._COPIED", 4096)
    monkeypatch.setattr("airpatch.delta.decoder._MAX_COPIES", 0)
    assert copied(delta(BASE, [BASE]), [BASE]) is None


@given(edited(), st.sampled_from(Effort))
@settings(deadline=None, max_examples=60)
def test_what_is_told_to_be_a_copy_is_one(case: tuple[list[bytes], bytes], effort: Effort) -> None:
    sources, target = case
    data = delta(target, sources, effort)
    for changed in [data, *(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(4, len(data), 7))]:
        try:
            number = copied(changed, sources)
        except FormatError:
            continue
        if number is not None:
            assert rebuild(changed, sources) == sources[number]


def test_moved_and_merged_pieces_find_their_sources() -> None:
    sources = [noise(20_000, seed) for seed in range(4)]
    target = sources[3][5000:] + sources[0] + sources[2][:9000] + sources[1]
    data = delta(target, sources)
    assert rebuild(data, sources) == target
    assert len(data) < 400


def test_a_cover_stays_within_its_source() -> None:
    sources = [BASE[:20_000], BASE[20_000:]]
    assert rebuild(delta(BASE, sources), sources) == BASE


def test_scattered_changes_cost_little() -> None:
    target = bytearray(BASE)
    for at in range(100, len(target), 400):
        target[at] ^= 0x55
    data = delta(bytes(target), [BASE])
    assert rebuild(data, [BASE]) == target
    assert len(data) < 600


def test_a_renamed_file_finds_its_older_version() -> None:
    old = noise(30_000, 5)
    new = bytearray(old)
    for at in range(20, len(new), 40):  # too dense for the anchors, so the path must give the hint
        new[at] ^= 1
    source = tar({"other": noise(3_000_000, 6), "lib/libfoo.so.1.2": old})
    target = tar({"lib/libfoo.so.1.30": bytes(new)})
    data = delta(target, [source])
    assert rebuild(data, [source]) == target
    assert len(data) < 2000


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_changed_members_of_long_names(form: int) -> None:
    name = "/".join(["d" * 90] * 3)
    old, new = noise(9000, 7), noise(200, 8)
    source = tar({name: old, "x": noise(700, 9)}, form)
    target = tar({"x": noise(701, 9), name: old[:4000] + new + old[4000:]}, form)
    data = delta(target, [source])
    assert rebuild(data, [source]) == target
    assert len(data) < 1700


def test_moved_code_is_predicted() -> None:
    functions = [noise(150, seed).replace(b"\xe8", b"\x90") for seed in range(300)]
    calls = [(a, (a * 7 + b * 31) % 300) for a, b in itertools.product(range(300), range(4))]
    old = program(functions, calls)
    new = program([body + noise(9 * (number % 10 == 3), number) for number, body in enumerate(functions)], calls)
    data = delta(tar({"bin/x": new}), [tar({"bin/x": old})])
    assert rebuild(data, [tar({"bin/x": old})]) == tar({"bin/x": new})
    unpredicted = delta(b"!" + new, [old])  # without the tar nobody knows that it is a program
    assert len(data) < len(unpredicted) * 0.6


def test_malformed_programs_are_just_bytes() -> None:
    good = bytearray(program([noise(400, seed) for seed in range(9)], [(1, 5), (3, 2)]))
    for at in range(120):
        bad = bytearray(good)
        bad[at] ^= 0xFF
        new = bytes(bad) + noise(30, at)
        sources = [tar({"p": bytes(good)}), tar({"p": bytes(bad)})]
        assert rebuild(delta(tar({"p": new}), sources), sources) == tar({"p": new})


@pytest.mark.parametrize("period", [1, 2, 7, 64, 1000])
def test_periodic_data_is_matched_whole(period: int) -> None:
    """Every anchor of such data fits everywhere: a search that tries them all would not come back."""
    unit = noise(period, 11)
    source = (unit * ((1 << 20) // period + 1))[: 1 << 20]
    target = b"?" + source[: 1 << 19] + b"!" + source
    data = delta(target, [source])
    assert rebuild(data, [source]) == target
    assert len(data) < 2048


def test_same_input_same_bytes() -> None:
    target = tar({"a": BASE[:3000] + b"x" + BASE[3000:9000], "b": noise(400, 3)})
    sources = [tar({"a": BASE[:9000]})]
    assert delta(target, sources) == delta(target, sources)


def test_effort_buys_size() -> None:
    text = b" ".join(b"%d" % (n * n) for n in range(4000))
    assert len(delta(text, [], Effort.FAST)) > 1.1 * len(delta(text, [], Effort.BEST))


def test_many_literals_need_many_segments() -> None:
    target = noise(6 << 20, 2)
    data = delta(target, [], Effort.FAST)
    assert rebuild(data, []) == target
    assert len(data) < len(target) * 1.001


def test_pages_are_released_while_a_segment_is_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may describe all of a target, in which little has changed, and looks at all that again."""
    target = bytearray(BASE)
    target[len(BASE) // 2 : len(BASE) // 2 + 5] = b"other"

    def calls(passed: int) -> tuple[bytes, int]:
        monkeypatch.setattr("airpatch.delta.encoder._PASSED", passed)
        count: list[int] = []
        data = b"".join(encode(target, [BASE], entries=ENTRIES, release_pages=lambda: count.append(1)))
        return data, len(count)

    seldom, often = calls(len(BASE)), calls(0)
    assert seldom[0] == often[0]
    assert seldom[1] < often[1]


def test_mapped_files_and_pages_given_back(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(BASE)
    calls = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        data = b"".join(encode(BASE[:-1], [mapped], entries=ENTRIES, release_pages=lambda: calls.append(1)))
    assert rebuild(data, [BASE]) == BASE[:-1]
    assert calls


def test_memory_of_headers_of_a_mapped_tar_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.delta.covers._STRETCH", 4096)
    calls: list[int] = []
    list(
        encode(
            b"", [tar({f"file{number}": bytes(2000) for number in range(20)})], release_pages=lambda: calls.append(1)
        )
    )
    assert len(calls) >= 10


def test_pages_are_released_within_a_long_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is aligned with one window of its older version after the other."""
    old = noise(40000, 1)
    new = b"".join(old[at : at + 49] + b"!" for at in range(0, len(old), 50))

    def calls() -> int:
        count: list[int] = []
        source = tar({"long": old})
        data = b"".join(encode(tar({"long": new}), [source], entries=ENTRIES, release_pages=lambda: count.append(1)))
        assert rebuild(data, [source]) == tar({"long": new})
        return len(count)

    at_once = calls()
    monkeypatch.setattr("airpatch.delta.covers._WINDOW", 8192)
    assert calls() >= at_once + 8


def test_index_entries_must_be_a_power_of_two() -> None:
    with pytest.raises(UsageError):
        list(encode(b"", [], entries=1000))


def test_pieces_are_bounded() -> None:
    target = bytes(5 << 20)
    data = delta(target + BASE, [target])
    with memoryview(target) as source:
        pieces = list(decode(io.BytesIO(data), [source], len(target) + len(BASE)))
    assert b"".join(pieces) == target + BASE
    assert max(map(len, pieces)) <= 3 << 20


def test_what_moved_far_within_a_long_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.delta.covers._WINDOW", 1 << 14)  # in place of 32 MiB
    old = [noise(1 << 12, number) for number in range(24)]
    new = [bytearray(block) for block in old]
    for number, block in enumerate(new):
        for at in range(number, len(block) - 4, 200):
            block[at : at + 4] = b"new!"
    order = [number * 7 % 24 for number in range(24)]
    source, target = tar({"data": b"".join(old)}), tar({"data": b"".join(new[number] for number in order)})
    made = delta(target, [source])
    assert rebuild(made, [source]) == target
    assert len(made) < len(target) // 12
