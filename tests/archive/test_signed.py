"""Signatures are put into a bundle and taken out again; all else of it stays as it was, byte for byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.signed import replace_signatures
from airpatch.errors import FormatError, TargetError, UsageError
from airpatch.format import layout
from airpatch.format.index_encoding import emit_index
from airpatch.signing import sshsig
from airpatch.signing.sshsig import Signature
from tests.support import Builder, frame_reader, read_bundle, split_frames


def signature(number: int = 0) -> bytes:
    return sshsig.emit(Signature(bytes([number]) * 51, "airpatch", "sha512", bytes(83))).encode()


@pytest.fixture(name="path")
def bundle_file(tmp_path: Path, sample: Builder) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(sample.bundle())
    return path


def signatures_of(path: Path) -> tuple[bytes, ...]:
    with closing(BundleFile(str(path))) as bundle:
        return bundle.opening.signatures


@pytest.mark.parametrize("count", [1, 2, layout.MAX_SIGNATURES])
def test_signatures_are_put_in_and_taken_out(count: int, path: Path) -> None:
    unsigned = path.read_bytes()
    signatures = [signature(number) for number in range(count)]
    replace_signatures(str(path), signatures)
    assert signatures_of(path) == tuple(signatures)
    assert len(split_frames(path.read_bytes())) == len(split_frames(unsigned)) + 1
    replace_signatures(str(path), [signature(99)])
    assert signatures_of(path) == (signature(99),)
    replace_signatures(str(path), [])
    assert path.read_bytes() == unsigned


def test_frames_are_copied_piece_by_piece(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.archive.signed._PIECE", 100)
    unsigned = path.read_bytes()
    replace_signatures(str(path), [signature()])
    replace_signatures(str(path), [])
    assert path.read_bytes() == unsigned


def test_what_is_signed_is_the_member_that_tar_unpacks(path: Path, tmp_path: Path) -> None:
    replace_signatures(str(path), [signature()])
    subprocess.run(["tar", "--zstd", "-xf", str(path), "-C", str(tmp_path)], check=True)
    with closing(BundleFile(str(path))) as bundle:
        assert (tmp_path / layout.INDEX_PATH).read_bytes() == bundle.opening.content == emit_index(bundle.index)
    assert (tmp_path / f"{layout.INDEX_PATH}.1.sig").read_bytes() == signature()


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize("signatures", [[], [signature()], [signature(1), signature(2)]], ids=len)
def test_a_signed_bundle_is_read_from_front_to_back(
    kind: str, signatures: Sequence[bytes], path: Path, sample: Builder
) -> None:
    replace_signatures(str(path), signatures)
    contents = read_bundle(frame_reader(kind, path.read_bytes()))
    assert contents.index.release == sample.release
    assert contents.manifests == sample.manifests


def test_too_many_signatures_are_refused(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(UsageError, match="at most 16"):
        replace_signatures(str(path), [signature()] * 17)
    assert path.read_bytes() == before


def test_only_a_file_can_be_signed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    write = os.open(tmp_path / "fifo", os.O_RDWR)
    with pytest.raises(UsageError, match="needs a bundle in a file"):
        replace_signatures(str(tmp_path / "fifo"), [signature()])
    os.close(write)


def test_what_is_no_bundle_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello" * 100)
    with pytest.raises(FormatError):
        replace_signatures(str(tmp_path / "text"), [signature()])
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_adversary_48_a_full_disk_leaves_the_bundle_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(TargetError, match="free some space"):
        replace_signatures(str(path), [signature()])
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
