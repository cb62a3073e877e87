"""Damaged copies, what they lack, and both together: the same bundle again."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airpatch
from airpatch import VerifiedBundle
from airpatch.archive.topped_up import read_request
from airpatch.errors import FormatError, IntegrityError, UsageError
from airpatch.format import zstd
from airpatch.format.top_ups import ByteRange, DamageRequest, emit_request, parse_request
from airpatch.model.digest import Digest
from tests.support import Builder


@cache
def whole() -> bytes:
    """A bundle of a dozen frames."""
    builder = Builder()
    noise = random.Random(0)
    builder.tag("large:r1", builder.picture([noise.randbytes(70_000 + n) for n in range(12)]))
    return builder.bundle()


def request_for(copy: Path) -> DamageRequest:
    """What `verify` asks for of a damaged copy."""
    wanted = copy.with_name("wanted")
    with pytest.raises((FormatError, IntegrityError)) as raised:
        airpatch.verify(copy, request=wanted)
    assert "airpatch topup" in " ".join(raised.value.__notes__)
    return read_request(wanted)


def repair(place: Path, damaged: bytes) -> int:
    """Ask for what is damaged, give it, and apply both; returns the bytes of the bundle that were given."""
    sent, copy, topup = place / "sent", place / "copy", place / "topup"
    sent.write_bytes(whole())
    copy.write_bytes(damaged)
    request_for(copy)
    made = airpatch.topup(sent, place / "wanted", topup)
    assert made.size == topup.stat().st_size
    names = [copy, topup] if len(damaged) % 2 else [topup, copy]
    assert isinstance(airpatch.verify(names), VerifiedBundle)
    assert airpatch.apply(names, place / "root").applied[0].tags
    airpatch.verify(place / "root")
    return made.given


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 32), flips=st.sampled_from((1, 3, 30)), cut=st.booleans())
def test_a_damaged_copy_and_its_top_up_are_the_bundle(
    seed: int, flips: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    damaged = bytearray(whole())
    for _ in range(flips):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    if cut:
        del damaged[chance.randrange(len(damaged)) :]
    if damaged == whole():
        return
    repair(tmp_path_factory.mktemp("copy"), bytes(damaged))


def test_only_the_damaged_frame_travels(tmp_path: Path) -> None:
    damaged = bytearray(whole())
    damaged[len(whole()) // 2] ^= 1
    assert repair(tmp_path, bytes(damaged)) < 75_000
    assert (tmp_path / "wanted").stat().st_size < 4096


def test_a_seek_table_alone_may_be_damaged(tmp_path: Path) -> None:
    for number, position in enumerate((-1, -10, -40)):
        damaged = bytearray(whole())
        damaged[position] ^= 0x10
        (tmp_path / str(number)).mkdir()
        assert repair(tmp_path / str(number), bytes(damaged)) < 2000


def test_the_sender_must_have_the_very_file(tmp_path: Path) -> None:
    copy, other = tmp_path / "copy", tmp_path / "other"
    copy.write_bytes(whole()[: len(whole()) // 2])
    request_for(copy)
    other.write_bytes(whole()[:1000] + bytes(1) + whole()[1001:])
    with pytest.raises(UsageError, match="Name the file that was sent"):
        airpatch.topup(other, tmp_path / "wanted", tmp_path / "topup")
    with pytest.raises(FormatError, match="cut short"):
        airpatch.topup(copy, tmp_path / "wanted", tmp_path / "topup")
    assert not (tmp_path / "topup").exists()


def test_a_seek_table_of_no_frames_asks_for_nothing(tmp_path: Path) -> None:
    empty, wanted = tmp_path / "empty", tmp_path / "wanted"
    empty.write_bytes(zstd.emit_seek_table([]))
    with pytest.raises(FormatError) as raised:
        airpatch.verify(empty, request=wanted)
    assert "every frame of" in " ".join(raised.value.__notes__)
    assert not wanted.exists()


def test_a_top_up_of_another_copy_is_refused(tmp_path: Path) -> None:
    sent, copy, topup = tmp_path / "sent", tmp_path / "copy", tmp_path / "topup"
    sent.write_bytes(whole())
    copy.write_bytes(whole()[: len(whole()) // 2])
    request_for(copy)
    airpatch.topup(sent, tmp_path / "wanted", topup)
    copy.write_bytes(whole()[: len(whole()) // 3])
    for names, message in (([copy, topup], "copy is not that copy"), ([topup], "name that copy, too")):
        with pytest.raises(UsageError, match=message):
            airpatch.apply(names, tmp_path / "root")
    for content in (topup.read_bytes()[:-1], topup.read_bytes() + b"x"):
        topup.write_bytes(content)
        with pytest.raises(FormatError, match="copy it again"):
            airpatch.apply([copy, topup], tmp_path / "root")


def test_a_top_up_alone_is_recognised(tmp_path: Path) -> None:
    """One that brings the end of a bundle ends with its seek table."""
    sent, copy, topup = tmp_path / "sent", tmp_path / "copy", tmp_path / "topup"
    sent.write_bytes(whole())
    copy.write_bytes(whole()[: len(whole()) // 2])
    request_for(copy)
    airpatch.topup(sent, tmp_path / "wanted", topup)
    with pytest.raises(FormatError, match="not a bundle but a top-up"):
        airpatch.inspect(topup)


def test_requests_are_canonical() -> None:
    request = DamageRequest("shop", (ByteRange(0, 5), ByteRange(9, None)), Digest.of(b"rest"))
    content = emit_request(request)
    assert parse_request(content) == request
    for position in range(len(content)):
        with pytest.raises(FormatError):
            parse_request(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
    for ranges in (
        (),
        (ByteRange(5, 5),),
        (ByteRange(0, 5), ByteRange(5, 6)),
        (ByteRange(0, None), ByteRange(9, 10)),
        (ByteRange(-1, 5),),
    ):
        with pytest.raises(FormatError):
            parse_request(emit_request(DamageRequest("shop", ranges, Digest.of(b"rest"))))
