"""The five kinds of base, and files that are none."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.blobs.content import check_blob
from airpatch.errors import AirpatchError, FormatError, TargetError, UsageError
from airpatch.format import inventories
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.operations.restore_images import restore
from airpatch.patches.bases import BaseState, installed_release, open_base
from airpatch.patches.patch_plan import plan_patch
from airpatch.sources.gather import gather
from airpatch.target.root import Root
from airpatch.target.stocktaking import make_request, take_inventory
from tests.sources.sample_sources import IMAGES
from tests.target import support
from tests.target.support import Sample, drop, index_of, install, outside, sample, served, snapshot


@pytest.fixture
def old(root: Path, r1: Sample) -> Path:
    install(root, r1.full)
    return root


def opened(path: Path, content: bytes, new: Sample) -> BaseState:
    path.write_bytes(content)
    return open_base(str(path), new.release)


def says(base: BaseState) -> tuple[object, ...]:
    """What the base says is there, however it knows."""
    return base.base, dict(base.blobs), base.repositories


def table(one: Sample) -> dict[Digest, int]:
    return {blob.digest: blob.size for blob in one.release.blobs}


# The five kinds


def test_a_full_bundle(place: Path, r1: Sample, r2: Sample) -> None:
    base = opened(place / "r1.tar.zst", r1.full, r2)
    assert says(base) == says(r1.base)
    assert base.warning is None


def test_a_patch_counts_as_its_release_with_a_warning(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    base = opened(place / "r1-r2.tar.zst", r2.patch(r1), r3)
    assert (base.base, base.blobs, base.repositories) == (r2.base.base, table(r2), r2.base.repositories)
    assert base.warning is not None
    assert "r1-r2.tar.zst is a patch for r1: " in base.warning
    base = opened(place / "two", r3.patch(r1, r2), r3)
    assert base.warning is not None
    assert "r1 or r2" in base.warning or "r2 or r1" in base.warning


def test_a_root(place: Path, old: Path, r1: Sample, r2: Sample) -> None:
    before = snapshot(old)
    base = open_base(str(old), r2.release)
    assert snapshot(old) == before
    assert (base.base.name, dict(base.blobs), base.repositories) == ("r1", table(r1), r1.base.repositories)
    with Root(old) as root:
        file = inventories.emit(take_inventory(root))
    assert says(opened(place / "qa.inventory", file, r2)) == says(base)


def test_a_root_whose_releases_are_unknown_is_named_after_its_folder(place: Path, old: Path, r2: Sample) -> None:
    (old / ".airpatch").rename(place / "away")
    base = open_base(str(old), r2.release)
    assert (base.base.name, base.repositories) == ("root", frozenset())


@pytest.mark.parametrize("name", [".", "./", "../root"])
def test_a_root_named_by_where_one_is(
    place: Path, old: Path, r2: Sample, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / ".airpatch").rename(place / "away")
    monkeypatch.chdir(old)
    assert open_base(name, r2.release).base.name == "root"


def test_an_inventory_without_a_release_is_named_after_its_file(place: Path, r2: Sample) -> None:
    file = inventories.emit(inventories.Inventory("", (), {}))
    assert opened(place / "qa.inventory", file, r2).base.name == "qa.inventory"
    odd = place / os.fsdecode(b"odd \xff\n.inventory")
    name = opened(odd, file, r2).base.name
    assert plan_patch(r2.release, [opened(odd, file, r2)]).bases[0].name == name
    r2.pack(plan_patch(r2.release, [opened(odd, file, r2)]))


def test_a_request_has_all_but_what_it_asks_for(place: Path, r2: Sample) -> None:
    asked = r2.release.blobs[1:3]
    base = opened(place / "request", inventories.emit(make_request(Index.full(r2.release), asked)), r2)
    assert base.base.name == "request for r2"
    assert base.blobs == {blob.digest: blob.size for blob in r2.release.blobs if blob not in asked}
    assert plan_patch(r2.release, [base]).stored == asked
    assert plan_patch(r2.release, [base]).removed == ()


def test_every_kind_gives_a_patch_that_fits_the_target(place: Path, r1: Sample, r2: Sample) -> None:
    install(place / "target", r1.full)
    with Root(place / "target") as root:
        (place / "inventory").write_bytes(inventories.emit(take_inventory(root)))
    (place / "full").write_bytes(r1.full)
    (place / "patch").write_bytes(r1.patch(r2))
    request = make_request(Index.full(r2.release), plan_patch(r2.release, [r1.base]).stored)
    (place / "request").write_bytes(inventories.emit(request))
    fitting = []
    for number, kind in enumerate(["target", "inventory", "full", "patch", "request"]):
        bundle = r2.pack(plan_patch(r2.release, [open_base(str(place / kind), r2.release)]))
        assert index_of(bundle).stored == plan_patch(r2.release, [r1.base]).stored
        copy = place / f"copy {number}"
        install(copy, r1.full)
        install(copy, bundle)
        fitting.append(outside(copy))
        assert served(copy) == r1.tags | r2.tags
    assert all(one == fitting[0] for one in fitting)


def test_a_root_that_lost_a_blob_gets_it_again(old: Path, r1: Sample, r2: Sample) -> None:
    lost = plan_patch(r2.release, [r1.base]).left_out[0].digest
    drop(old, [lost])
    index = plan_patch(r2.release, [open_base(str(old), r2.release)])
    assert lost in {blob.digest for blob in index.stored}
    install(old, r2.pack(index))
    assert served(old)["shop/web:stable"] == r2.tags["shop/web:stable"]


# What is no base


def test_a_request_for_another_release(place: Path, r1: Sample, r2: Sample) -> None:
    request = inventories.emit(make_request(Index.full(r1.release), r1.release.blobs[:1]))
    with pytest.raises(UsageError, match=r"requests blobs of release r1 .* but the sources give r2") as caught:
        opened(place / "request", request, r2)
    assert r1.id.short in caught.value.message
    renumbered = sample(r1.builder, "r1", 7)
    with pytest.raises(UsageError, match="--sequence"):
        opened(place / "request", request, renumbered)


@pytest.mark.parametrize("kind", ["missing", "empty folder", "fifo", "dangling link", "images"])
def test_what_is_no_base_at_all(place: Path, r2: Sample, kind: str) -> None:
    path = place / "base"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "images":
        (path / "web:r1").mkdir(parents=True)
        (path / "web:r1/manifest.json").write_bytes(b"{}")
    before = snapshot(place)
    what = "base: is a folder, and no registry's root .* pack them first" if path.is_dir() else "base"
    for call in (lambda: open_base(str(path), r2.release), lambda: installed_release(str(path))):
        with pytest.raises(UsageError, match=what):
            call()
    assert snapshot(place) == before


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 1000, b"plain text\n" * 100, b"\x28\xb5\x2f\xfd"])
def test_files_that_are_neither_bundle_nor_inventory(place: Path, r2: Sample, content: bytes) -> None:
    with pytest.raises(FormatError, match=str(place / "base")):
        opened(place / "base", content, r2)


def test_adversary_5_a_huge_file_is_refused_unread(place: Path, r2: Sample) -> None:
    with (place / "base").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match="not a bundle but a file of zeros"):
        open_base(str(place / "base"), r2.release)


def test_adversary_50_an_unreadable_file_is_told(place: Path, r1: Sample, r2: Sample) -> None:
    file = inventories.emit(inventories.Inventory("", (), {}))
    (place / "base").write_bytes(file)
    (place / "base").chmod(0)
    place.chmod(0o755)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(AirpatchError, match="Permission denied"):
            open_base(str(place / "base"), r2.release)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


FULL = support.tiny(1).full
INVENTORY = inventories.emit(inventories.Inventory("r1", ("web",), table(support.tiny(1))))


@given(data=st.data(), which=st.sampled_from([FULL, INVENTORY]))
def test_adversary_37_38_damaged_bases_are_refused_or_the_same(data: st.DataObject, which: bytes) -> None:
    """Of a bundle only index and seek table are read, so that damage elsewhere may go unseen here."""
    damaged = bytearray(which)
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(which) - 1)) :]
    else:
        bit = data.draw(st.integers(0, len(which) * 8 - 1))
        damaged[bit // 8] ^= 1 << bit % 8
    new = support.tiny(2)
    with support.temporary() as place:
        true = opened(place / "base", which, new)
        with suppress(FormatError):
            assert says(opened(place / "base", bytes(damaged), new)) == says(true)


def test_adversary_18_a_root_whose_storage_is_a_link(place: Path, old: Path, r2: Sample) -> None:
    (place / "other").mkdir()
    (place / "other/docker").symlink_to(old / "docker")
    with pytest.raises(TargetError):
        open_base(str(place / "other"), r2.release)


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("compress", [None, "gzip", "zstd"])
def test_an_archive_is_what_a_host_without_a_registry_has(
    form: str, compress: str | None, place: Path, r2: Sample
) -> None:
    path = place / "images.tar"
    restore(IMAGES, path, form=form, images=["infra/settings", "tools/packaging"])
    if compress is not None:
        subprocess.run([compress, "-q", path], check=True)
        (path,) = place.glob("images.tar.*")
    expected = gather([f"{form}:{path}"]).release
    for name in (str(path), f"{form}:{path}"):
        base = open_base(name, r2.release)
        assert base.blobs == {blob.digest: blob.size for blob in expected.blobs}
        assert base.repositories == {"infra/settings", "tools/packaging"}
        assert base.content is not None
        for digest in base.layers:
            check_blob(base.content, digest, base.blobs[digest])
        assert (base.warning is not None) == (form == "docker-archive")


def test_a_foreign_file_is_named(place: Path, r2: Sample) -> None:
    with pytest.raises(FormatError, match="base: not a bundle but a web page"):
        opened(place / "base", b"<!DOCTYPE html><html></html>", r2)
