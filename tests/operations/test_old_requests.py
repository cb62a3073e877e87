"""A request that no longer holds goes away, and nothing else; no output takes the place of what it is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch.errors import AirpatchError, UsageError
from airpatch.format.index import Index
from airpatch.operations.arguments import check_apart
from airpatch.operations.old_requests import remove_old_request
from airpatch.operations.request_blobs import request_blobs
from tests.support import Builder


@pytest.fixture(name="bundle")
def bundle_file(tmp_path: Path, sample: Builder) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(sample.bundle())
    return path


def request_for_blobs(path: Path, sample: Builder) -> None:
    index = Index.full(sample.release)
    request_blobs(path, index, index.stored[:1])


def request_for_bytes(path: Path, bundle: Path) -> Path:
    """Write a request for what a copy of `bundle` lacks that is cut short; return the copy."""
    copy = path.with_name("copy")
    copy.write_bytes(bundle.read_bytes()[:-1000])
    with pytest.raises(AirpatchError):
        airpatch.verify(copy, request=path)
    assert path.exists()
    return copy


def test_a_request_of_either_kind_is_removed(tmp_path: Path, sample: Builder, bundle: Path) -> None:
    request = tmp_path / "request"
    request_for_blobs(request, sample)
    assert remove_old_request(request) == [f"{request}: an older request, which no longer holds, was removed"]
    assert not request.exists()
    request_for_bytes(request, bundle)
    assert len(remove_old_request(request)) == 1
    assert not request.exists()
    assert remove_old_request(request) == []


def test_whatever_else_lies_there_is_left(tmp_path: Path, bundle: Path) -> None:
    airpatch.apply(bundle, tmp_path / "root")
    airpatch.inventory(tmp_path / "root", tmp_path / "inventory")
    (tmp_path / "empty").touch()
    for path in (bundle, tmp_path / "inventory", tmp_path / "empty", tmp_path, tmp_path / "nothing"):
        assert remove_old_request(path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "full.tar.zst", "inventory", "root"}


def test_what_is_behind_a_link_is_removed(tmp_path: Path, sample: Builder) -> None:
    request_for_blobs(tmp_path / "request", sample)
    (tmp_path / "link").symlink_to("request")
    assert remove_old_request(tmp_path / "link")
    assert not (tmp_path / "request").exists()


def test_verify_of_an_intact_copy_withdraws_a_request(tmp_path: Path, bundle: Path) -> None:
    request = tmp_path / "wanted"
    copy = request_for_bytes(request, bundle)
    copy.write_bytes(bundle.read_bytes())
    verified = airpatch.verify(copy, request=request)
    assert isinstance(verified, airpatch.VerifiedBundle)
    assert verified.warnings == (f"{request}: an older request, which no longer holds, was removed",)
    assert not request.exists()


def test_verify_of_parts_withdraws_a_request(tmp_path: Path, bundle: Path) -> None:
    request_for_bytes(tmp_path / "wanted", bundle)
    parts = airpatch.split(bundle, tmp_path / "parts", size=64 << 10)
    part = parts.files[0].read_bytes()
    parts.files[0].write_bytes(part[:-1] + bytes([part[-1] ^ 1]))
    with pytest.raises(AirpatchError):
        airpatch.verify(tmp_path / "parts", request=tmp_path / "wanted")
    assert not (tmp_path / "wanted").exists()


def test_verify_that_found_nothing_out_leaves_a_request(tmp_path: Path, bundle: Path) -> None:
    request_for_bytes(tmp_path / "wanted", bundle)
    with pytest.raises(UsageError, match="cannot be read"):
        airpatch.verify(tmp_path / "nothing", request=tmp_path / "wanted")
    assert (tmp_path / "wanted").exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_apply_that_lacks_nothing_withdraws_a_request(
    tmp_path: Path, sample: Builder, bundle: Path, dry_run: bool
) -> None:
    request = tmp_path / "missing"
    request_for_blobs(request, sample)
    applied = airpatch.apply(bundle, tmp_path / "root", request=request, dry_run=dry_run)
    assert f"{request}: an older request, which no longer holds, was removed" in applied.warnings
    assert not request.exists()


def test_no_output_replaces_what_it_is_made_from(tmp_path: Path, bundle: Path) -> None:
    copy = request_for_bytes(tmp_path / "wanted", bundle)
    before = {path: path.read_bytes() for path in (bundle, copy)}
    for attempt in (
        lambda: airpatch.verify(copy, request=copy),
        lambda: airpatch.verify(bundle, manifest=bundle),
        lambda: airpatch.apply(bundle, tmp_path / "root", request=bundle),
        lambda: airpatch.push(bundle, "docker://localhost:1", request=bundle),
        lambda: airpatch.sign(bundle, export=bundle),
    ):
        with pytest.raises(UsageError, match="which would be lost: name another file"):
            attempt()
    assert {path: path.read_bytes() for path in before} == before


def test_no_output_replaces_a_part(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "parts"
    *_, last = (Path(each) for each in airpatch.split(bundle, folder, size=64 << 10).files)
    before = last.read_bytes()
    for subject in (folder, folder / "." / min(folder.iterdir()).name, last):
        with pytest.raises(UsageError, match=r"the input [^,]*, which would be lost"):
            airpatch.verify(subject, manifest=last)
    airpatch.verify(folder, manifest=folder / "digests")
    monkeypatch.chdir(folder)
    check_apart(last, folder / "digests", tmp_path)
    assert last.read_bytes() == before
