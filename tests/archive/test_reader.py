"""The reader: whole, piece by piece, cut short, with a tail, and against damage of every kind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.archive.open_bundles import open_frames
from airpatch.archive.reader import BundleStream
from airpatch.blobs.receiver import Discard
from airpatch.errors import AirpatchError, FormatError, IntegrityError, TargetError
from airpatch.format import layout, zstd
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.format.layout import Member
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from tests.support import Builder, contents_of, frame_reader, join_frames, piped, read_bundle, split_frames

pytestmark = pytest.mark.usefixtures("small_buffers")
KINDS = pytest.mark.parametrize("kind", ["file", "pipe"])


def smallest() -> Builder:
    """A release of one manifest and one config."""
    builder = Builder()
    builder.tag("a:r1", builder.picture([]))
    return builder


@KINDS
def test_whole(kind: str, sample: Builder) -> None:
    data = sample.bundle()
    contents = read_bundle(frame_reader(kind, data))
    assert contents.index == Index.full(sample.release)
    assert contents.manifests == sample.manifests
    assert zstd.emit_seek_table(contents.frames) == data[-len(zstd.emit_seek_table(contents.frames)) :]
    signatures = {path: content for path, content in contents.members.items() if path.startswith(".airpatch/")}
    assert sorted(signatures.values()) == [b"first signature", b"second", b"signature of a child"]


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_piece_by_piece_out_of_a_pipe(step: int, sample: Builder) -> None:
    with piped(sample.bundle(), step) as source:
        assert read_bundle(source).index == Index.full(sample.release)


@KINDS
def test_adversary_37_cut_at_every_byte(kind: str) -> None:
    builder = smallest()
    data = builder.bundle()
    with ThreadPoolExecutor(1) as pool:
        for length in range(len(data)):
            with pytest.raises(FormatError):
                read_all(kind, data[:length], pool, builder)


def read_all(kind: str, data: bytes, pool: ThreadPoolExecutor, builder: Builder) -> Index:
    """Read everything on a pool that is there already, for tests that do it thousands of times."""
    source = frame_reader(kind, data)
    try:
        stream = BundleStream(source, pool)
        index = stream.index
        stream.receive(layout.data_section(index), lambda _: Ignore())
        stream.receive(layout.manifests_section(index), lambda _: Ignore())
        stream.receive(layout.links_section(index, parsed(builder)), lambda _: Ignore())
        stream.finish()
        return index
    finally:
        source.close()


class Ignore:
    def write(self, piece: memoryview) -> None: ...

    def complete(self) -> None: ...


def parsed(builder: Builder) -> dict[Digest, Manifest]:
    return {digest: parse_manifest(content) for digest, content in builder.manifests.items()}


@KINDS
def test_adversary_38_every_bit_of_index_and_seek_table_flipped(kind: str) -> None:
    """Refused; or read as if nothing were, for the few bits of a compressed frame that mean nothing to a decoder."""
    builder = smallest()
    index, data = Index.full(builder.release), builder.bundle()
    begin, end = len(split_frames(data)[0]), len(data) - len(zstd.emit_seek_table([])) - 4 * zstd.ENTRY
    harmless = 0
    with ThreadPoolExecutor(1) as pool:
        for bit in (*range(8 * begin), *range(8 * end, 8 * len(data))):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                assert read_all(kind, bytes(flipped), pool, builder) == index
                harmless += bit < 8 * begin
            except FormatError:
                continue
    assert harmless < begin


@KINDS
@pytest.mark.parametrize(
    "tail", [b"\0", b"x" * 1000, b"\x5e\x2a\x4d\x18\0\0\0\0"], ids=["zero", "garbage", "skippable"]
)
def test_adversary_44_with_a_tail(kind: str, tail: bytes, sample: Builder) -> None:
    with pytest.raises(FormatError):
        read_bundle(frame_reader(kind, sample.bundle() + tail))


@KINDS
def test_adversary_44_two_bundles_in_one(kind: str, sample: Builder) -> None:
    with pytest.raises(FormatError):
        read_bundle(frame_reader(kind, sample.bundle() * 2))


@KINDS
@pytest.mark.parametrize("data", [b"", b"x", b"\x28\xb5\x2f\xfd", b"PK\x03\x04" * 100], ids=repr)
def test_what_is_no_bundle(kind: str, data: bytes) -> None:
    with pytest.raises(FormatError, match="bundle"):
        read_bundle(frame_reader(kind, data))


@KINDS
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_format_error(kind: str, data: bytes) -> None:
    with pytest.raises(FormatError):
        read_bundle(frame_reader(kind, data))


Change = Callable[[list[bytes]], list[bytes]]


def put(frame: int, old: bytes, new: bytes) -> Change:
    def change(contents: list[bytes]) -> list[bytes]:
        assert old in contents[frame]
        contents[frame] = contents[frame].replace(old, new, 1)
        return contents

    return change


@KINDS
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put(1, b"0000644", b"0004755"), id="setuid"),
        pytest.param(put(1, b"ustar\x0000", b"ustar  \0"), id="other magic"),
        pytest.param(put(1, b"second\0", b"second\1"), id="padding"),
        pytest.param(put(3, b"/current/", b"/Current/"), id="path of a link"),
        pytest.param(put(3, b"sha256:", b"sha255:"), id="content of a link"),
        pytest.param(lambda c: [*c[:3], c[3] + bytes(512)], id="longer end"),
        pytest.param(lambda c: [*c[:3], c[3][:-512]], id="shorter end"),
        pytest.param(lambda c: c[:3], id="no links"),
        pytest.param(lambda c: [*c, bytes(1024)], id="frame after the end"),
        pytest.param(lambda c: [c[0], c[2], c[1], c[3]], id="sections swapped"),
        pytest.param(lambda c: [c[0], c[1] + c[2], c[3]], id="frame over two sections"),
        pytest.param(lambda c: [c[0], c[1][:512], c[1][512:], c[2], c[3]], id="frame cut in two"),
        pytest.param(lambda c: [c[1], c[2], c[3]], id="no index"),
        pytest.param(lambda c: [c[0][:512], c[0][512:], *c[1:]], id="index cut in two"),
        pytest.param(lambda c: [c[0] + bytes(512), *c[1:]], id="index longer than its member"),
    ],
)
def test_adversary_33_the_archive_says_something_else_than_the_index(
    kind: str, change: Change, sample: Builder
) -> None:
    contents = contents_of(sample.bundle())
    assert len(contents) == 4
    data = join_frames(map(zstd.compress, change(contents)))
    with pytest.raises(FormatError):
        read_bundle(frame_reader(kind, data))


@KINDS
@pytest.mark.parametrize("old", [b"base base", b"ase base base \0", b"web\0", b"arm64\0", b"first sig", b'"layers"'])
def test_adversary_27_content_that_is_not_its_digest(kind: str, old: bytes, sample: Builder) -> None:
    contents = contents_of(sample.bundle())
    frame = next(i for i in (1, 2) if old in contents[i])
    changed = put(frame, old, bytes([old[0] ^ 1]) + old[1:])(contents)
    with pytest.raises(IntegrityError, match="has the digest"):
        read_bundle(frame_reader(kind, join_frames(map(zstd.compress, changed))))


@KINDS
def test_adversary_10_parts_of_two_bundles(kind: str, sample: Builder) -> None:
    other = Builder()
    other.tag("a:r1", other.picture([b"x"]))
    first, second = split_frames(sample.bundle()), split_frames(other.bundle())
    for cut in (1, 2, 3):
        with pytest.raises(FormatError):
            read_bundle(frame_reader(kind, join_frames([*first[:cut], *second[cut:]])))


@KINDS
def test_an_index_of_several_frames(kind: str, monkeypatch: pytest.MonkeyPatch, sample: Builder) -> None:
    monkeypatch.setattr(layout, "FRAME", 1024)
    assert len(emit_index(Index.full(sample.release))) > 1024
    assert read_bundle(frame_reader(kind, sample.bundle())).index == Index.full(sample.release)


@KINDS
def test_members_that_nobody_wants_pass_by(kind: str, sample: Builder) -> None:
    source = frame_reader(kind, sample.bundle())
    asked: list[Member] = []

    def accept(member: Member) -> None:
        asked.append(member)

    with ThreadPoolExecutor(2) as pool:
        stream = BundleStream(source, pool)
        stream.receive(layout.data_section(stream.index), accept)
        stream.receive(layout.manifests_section(stream.index), accept)
        stream.receive(layout.links_section(stream.index, parsed(sample)), accept)
        stream.finish()
    source.close()
    assert len(asked) == len(stream.index.stored) + 3


def test_findings_are_collected_where_wanted(sample: Builder) -> None:
    contents = contents_of(sample.bundle())
    changed = put(1, b"web\0", b"wex\0")(put(1, b"arm64\0", b"arm63\0")(contents))
    found: list[AirpatchError] = []
    contents_read = read_bundle(frame_reader("file", join_frames(map(zstd.compress, changed))), findings=found)
    assert len(found) == 2
    assert all(isinstance(error, IntegrityError) for error in found)
    assert contents_read.manifests == sample.manifests


@KINDS
def test_small_members_may_follow_in_the_frame_where_a_large_one_ends(
    kind: str, monkeypatch: pytest.MonkeyPatch, sample: Builder
) -> None:
    """The layout of a bundle has no such frames; another one may."""
    data = list(layout.data_section(Index.full(sample.release)))
    pieces = [piece for plan in data for piece in plan.pieces]
    first, *others = pieces
    middle = first.stop // 2
    plans = [
        replace(data[0], pieces=(replace(first, stop=middle),)),
        replace(data[0], pieces=(replace(first, start=middle), *others)),
    ]
    content = b"".join(contents_of(sample.bundle())[1:])[: sum(plan.content for plan in plans)]
    frames = [content[: plans[0].content], content[plans[0].content :]]
    source = frame_reader(kind, join_frames([split_frames(sample.bundle())[0], *map(zstd.compress, frames)]))
    received: list[Member] = []

    def accept(member: Member) -> Ignore:
        received.append(member)
        return Ignore()

    with closing(source), ThreadPoolExecutor(2) as pool:
        stream = BundleStream(source, pool)
        stream.receive(plans, accept)
    assert received == [piece.member for piece in pieces if piece.member.digest is not None]


def test_all_that_was_read_is_hashed(sample: Builder, tmp_path: Path) -> None:
    data = sample.bundle()
    (tmp_path / "bundle").write_bytes(data)
    with closing(open_frames(str(tmp_path / "bundle"), hashed=True)) as source, ThreadPoolExecutor(2) as pool:
        stream = BundleStream(source, pool)
        for section in (layout.data_section(stream.index), layout.manifests_section(stream.index)):
            stream.receive(section, lambda _: Ignore())
        stream.receive(layout.links_section(stream.index, parsed(sample)), lambda _: Ignore())
        stream.finish()
        assert stream.sha256 == Digest.of(data)


def test_a_receiver_that_fails_ends_it(sample: Builder) -> None:
    class Failing(Ignore):
        def write(self, piece: memoryview) -> None:
            raise TargetError("no space")

    source = frame_reader("file", sample.bundle())
    with ThreadPoolExecutor(2) as pool:
        stream = BundleStream(source, pool)
        with pytest.raises(TargetError, match="no space"):
            stream.receive(layout.data_section(stream.index), lambda _: Failing())
    source.close()


def test_complete_is_called_only_for_what_is_right(sample: Builder) -> None:
    contents = contents_of(sample.bundle())
    data = join_frames(map(zstd.compress, put(1, b"web\0", b"wex\0")(contents)))
    completed: list[str] = []

    class Noting(Ignore):
        def __init__(self, member: Member) -> None:
            self.path = member.path

        def complete(self) -> None:
            completed.append(self.path)

    source = frame_reader("pipe", data)
    with ThreadPoolExecutor(1) as pool:
        stream = BundleStream(source, pool)
        with pytest.raises(IntegrityError) as caught:
            stream.receive(layout.data_section(stream.index), Noting)
    source.close()
    assert completed
    assert not any(path.split("/")[-2] in str(caught.value).split(" has ")[0] for path in completed)


def test_one_defect_is_one_finding_however_much_comes_after_it() -> None:
    class Failing:
        def write(self, piece: memoryview) -> None:
            raise IntegrityError("no good")

        def complete(self) -> None:
            raise AssertionError

    builder = Builder()
    builder.tag("a:r1", builder.picture([bytes(20 << 20)]))
    findings: list[AirpatchError] = []
    with closing(frame_reader("file", builder.bundle())) as source, ThreadPoolExecutor(2) as pool:
        stream = BundleStream(source, pool)
        large = stream.index.release.blobs[0].digest
        plans = layout.data_section(stream.index)
        stream.receive(plans, lambda member: Failing() if member.digest == large else Discard(), findings)
    assert [error.message for error in findings] == ["no good"]
