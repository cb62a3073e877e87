"""What lies in a registry's storage, whoever put it there, and the inventory of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import BaseMismatch, FormatError, IntegrityError, TargetError
from airpatch.format import canonical, inventories, zstd
from airpatch.format.index import Index
from airpatch.format.inventories import Inventory, Request
from airpatch.model.digest import Digest
from airpatch.target import storage
from airpatch.target.root import Root
from airpatch.target.stocktaking import make_request, take_inventory
from tests.support import Builder
from tests.target.support import (
    STORAGE,
    Sample,
    blob_file,
    damage,
    drop,
    install,
    push,
    put,
    snapshot,
)

REPOSITORIES = f"{STORAGE}/repositories"


@pytest.fixture
def old(root: Path, r1: Sample) -> Path:
    install(root, r1.full)
    return root


# Listing


def test_everything_of_a_release_is_listed(old: Path, r1: Sample) -> None:
    with Root(old) as files:
        assert list(storage.repositories(files)) == ["proxy", "shop/web", "shop/worker"]
        tags = {str(name): digest for repo in storage.repositories(files) for name, digest in storage.tags(files, repo)}
        assert tags == r1.tags
        assert dict(storage.blobs(files)) == {blob.digest: blob.size for blob in r1.release.blobs}
        assert len(list(storage.revisions(files, "proxy"))) == 3
        assert len(list(storage.layers(files, "shop/web"))) == 4


def test_an_empty_root_holds_nothing(place: Path) -> None:
    with Root(place) as files:
        assert list(storage.repositories(files)) == []
        assert list(storage.tags(files, "shop/web")) == []
        assert list(storage.revisions(files, "shop/web")) == []
        assert list(storage.blobs(files)) == []


def test_repositories_lie_within_each_other(place: Path) -> None:
    builder = Builder()
    image = builder.picture([b"x"])
    for name in ("a:1", "a/b:1", "a/b/c/d:1", "registry.example:5000/a:1"):
        push(place, builder, name, image)
    put(place / REPOSITORIES / "e/_uploads/123/data", b"half")
    put(place / REPOSITORIES / "empty/folder/file", b"x")
    with Root(place) as files:
        assert list(storage.repositories(files)) == ["a", "a/b", "a/b/c/d", "e", "registry.example:5000/a"]


@pytest.mark.parametrize(
    "stray",
    [
        f"{REPOSITORIES}/README",
        f"{REPOSITORIES}/shop/web/README",
        f"{REPOSITORIES}/shop/web/_manifests/tags/README",
        f"{REPOSITORIES}/shop/web/_manifests/tags/..odd/current/link",
        f"{REPOSITORIES}/shop/web/_manifests/revisions/sha256/README",
        f"{REPOSITORIES}/shop/web/_manifests/revisions/sha256/{'0' * 64}/link",
        f"{REPOSITORIES}/shop/web/_layers/sha256/README",
        f"{REPOSITORIES}/shop/web/_layers/sha256/{'0' * 63}/link",
        f"{STORAGE}/blobs/README",
        f"{STORAGE}/blobs/sha256/README",
        f"{STORAGE}/blobs/sha256/00/README",
        f"{STORAGE}/blobs/sha256/00/{'0' * 64}/other",
        f"{STORAGE}/blobs/sha256/00/{'1' * 64}/data",
        f"{STORAGE}/blobs/sha256/0/{'0' * 64}/data",
        f"{STORAGE}/blobs/sha512/00/{'0' * 128}/data",
    ],
)
def test_stray_files_are_passed_over(old: Path, stray: str) -> None:
    def listed() -> list[object]:
        with Root(old) as files:
            names = list(storage.repositories(files))
            return [
                names,
                [
                    list(what(files, name))
                    for what in (storage.tags, storage.layers, storage.revisions)
                    for name in names
                ],
                list(storage.blobs(files)),
            ]

    before = listed()
    put(old / stray, b"x")
    assert listed() == before


@pytest.mark.parametrize(
    "link",
    [
        f"{REPOSITORIES}/elsewhere",
        f"{REPOSITORIES}/shop/web/_manifests/tags/elsewhere",
        f"{REPOSITORIES}/shop/web/_manifests/revisions/sha256/{'0' * 64}",
        f"{STORAGE}/blobs/sha256/zz",
    ],
)
def test_adversary_18_symbolic_links_are_errors_since_a_registry_follows_them(old: Path, link: str) -> None:
    (old / "target").mkdir()
    (old / link).symlink_to(old / "target")

    def everything(files: Root) -> None:
        for name in storage.repositories(files):
            list(storage.tags(files, name))
            list(storage.revisions(files, name))
        list(storage.blobs(files))

    with Root(old) as files, pytest.raises(TargetError):
        everything(files)


@pytest.mark.parametrize(
    "content", ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "G" * 64, "\xe9" * 71, "x" * 71]
)
def test_a_link_is_exactly_a_digest(old: Path, content: str) -> None:
    path = f"{REPOSITORIES}/proxy/_manifests/tags/r1/current/link"
    put(old / path, content.encode("latin-1"))
    with Root(old) as files:
        assert storage.read_link(files, path) is None
        assert list(storage.tags(files, "proxy")) == []


def test_a_revision_whose_link_says_another_is_not_listed(old: Path) -> None:
    with Root(old) as files:
        first, *_ = storage.revisions(files, "proxy")
        put(old / first.path, str(Digest.of(b"other")))
        assert first not in list(storage.revisions(files, "proxy"))


def test_manifests_are_loaded_with_all_below_them(old: Path, r1: Sample) -> None:
    top = r1.tags["proxy:r1"]
    with Root(old) as files:
        found = storage.load_manifests(files, [top, top])
        assert len(found) == 3
        child = found[top].manifests[0].digest
        damage(old, child)
        with pytest.raises(IntegrityError):
            storage.load_manifests(files, [top])
        drop(old, [child])
        with pytest.raises(BaseMismatch):
            storage.load_manifests(files, [top])


@pytest.mark.parametrize("content", [b"", b"{}", b"layer", b'{"schemaVersion":1}', b"[" * 100_000])
def test_adversary_32_a_revision_that_is_no_manifest_is_named(place: Path, content: bytes) -> None:
    put(blob_file(place, Digest.of(content)), content)
    with Root(place) as files, pytest.raises(TargetError, match=str(Digest.of(content))):
        storage.load_manifests(files, [Digest.of(content)])


# Inventories


def test_an_inventory_has_every_blob_and_the_current_release(old: Path, r1: Sample) -> None:
    extra = b"pushed by hand"
    put(blob_file(old, Digest.of(extra)), extra)
    before = snapshot(old)
    with Root(old) as files:
        taken = take_inventory(files)
    assert snapshot(old) == before
    assert taken.name == "r1"
    assert taken.repositories == ("proxy", "shop/web", "shop/worker")
    assert taken.blobs == {blob.digest: blob.size for blob in r1.release.blobs} | {Digest.of(extra): len(extra)}
    assert inventories.parse(inventories.emit(taken)) == taken


def test_an_inventory_of_a_root_without_receipts(place: Path) -> None:
    builder = Builder()
    push(place, builder, "a:1", builder.picture([b"x"]))
    with Root(place) as files:
        taken = take_inventory(files)
    assert (taken.name, taken.repositories, len(taken.blobs)) == ("", (), 3)


def test_an_inventory_after_the_current_receipt_was_lost(old: Path, r1: Sample) -> None:
    (old / ".airpatch/releases" / r1.id.hex).unlink()
    with Root(old) as files:
        assert take_inventory(files).name == ""


digests = st.builds(Digest, st.binary(min_size=32, max_size=32))
blobs = st.dictionaries(digests, st.integers(0, 2**63 - 1), max_size=5)
names = st.text("abc123", min_size=1, max_size=9)
inventory_values = st.builds(
    lambda name, repositories, blobs: Inventory(name, tuple(sorted(repositories)), blobs), names, st.sets(names), blobs
)
requests = st.builds(Request, names, digests, blobs)


@given(st.one_of(inventory_values, requests))
def test_inventories_and_requests_come_back_as_they_were(value: Inventory | Request) -> None:
    file = inventories.emit(value)
    assert inventories.parse(file) == value
    assert inventories.emit(inventories.parse(file)) == file


SMALL = Inventory("r1", ("shop/web",), {Digest.of(b"a"): 1, Digest.of(b"b"): 300})


@pytest.mark.parametrize("value", [SMALL, Request("r1", Digest.of(b"r"), SMALL.blobs)], ids=lambda v: type(v).__name__)
def test_adversary_37_44_inventories_cut_anywhere_or_with_a_tail_are_refused(value: Inventory | Request) -> None:
    file = inventories.emit(value)
    for size in range(len(file)):
        with pytest.raises(FormatError):
            inventories.parse(file[:size])
    for tail in (b"\0", file, zstd.emit_seek_table([]), zstd.compress(b"")):
        with pytest.raises(FormatError):
            inventories.parse(file + tail)


def test_adversary_38_no_flipped_bit_goes_unnoticed() -> None:
    file = inventories.emit(SMALL)
    for bit in range(len(file) * 8):
        flipped = bytearray(file)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(FormatError):
            assert inventories.parse(bytes(flipped)) == SMALL


def forged(plain: object) -> bytes:
    """A file with a right hash over `plain`."""
    body = canonical.pack(plain)
    return zstd.compress(Digest.of(body).raw + body)


PLAIN: dict[str, object] = {
    "airpatch": 1,
    "product": "default",
    "name": "r1",
    "sequence": 0,
    "version": "",
    "features": [],
    "repositories": ["shop/web"],
    "digests": bytes(32) + bytes([1] * 32),
    "sizes": [1, 2],
}


def test_what_is_forged_here_is_else_right() -> None:
    assert isinstance(inventories.parse(forged(PLAIN)), Inventory)


@pytest.mark.parametrize(
    "change",
    [
        {"airpatch": 2},
        {"airpatch": True},
        {"name": None},
        {"name": "line\nbreak"},
        {"name": "r" * 256},
        {"repositories": ["b", "a"]},
        {"repositories": ["a", "a"]},
        {"repositories": ["../a"]},
        {"repositories": ["Shop"]},
        {"repositories": [1]},
        {"repositories": None},
        {"digests": bytes(63)},
        {"digests": bytes(64)},
        {"digests": bytes([1] * 32) + bytes(32)},
        {"digests": "x" * 64},
        {"sizes": [1]},
        {"sizes": [1, 2, 3]},
        {"sizes": [1, -1]},
        {"sizes": [1, True]},
        {"sizes": [1, 2.0]},
        {"sizes": [1, 2**63]},
        {"sizes": None},
        {"lacks": bytes(32)},
        {"extra": 1},
    ],
    ids=repr,
)
def test_adversary_15_42_other_inventories_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        inventories.parse(forged(PLAIN | change))


def test_adversary_42_fields_in_another_order_are_refused() -> None:
    with pytest.raises(FormatError):
        inventories.parse(forged(dict(reversed(PLAIN.items()))))


@pytest.mark.parametrize("lacks", [None, bytes(31), "x" * 32, [0] * 32], ids=repr)
def test_adversary_42_requests_for_what_is_no_release_are_refused(lacks: object) -> None:
    plain = {"airpatch": 1, "product": "shop", "name": "r1", "sequence": 3, "lacks": lacks, "digests": b"", "sizes": []}
    with pytest.raises(FormatError):
        inventories.parse(forged(plain))


@pytest.mark.parametrize(
    "frames",
    [
        [zstd.compress(b"")] * 1000,
        [zstd.compress(b"x")] * 1000,
        [zstd.compress(bytes(1 << 20))] * 65,
        [zstd.compress(bytes(8 << 20))] * 9,
    ],
    ids=["empty frames", "tiny frames", "frames not filled", "more than the limit"],
)
def test_adversary_36_44_bombs_are_refused_early(frames: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    decompress = zstd.decompress

    def counting(frame: bytes) -> bytes:
        nonlocal count
        count += 1
        return decompress(frame)

    monkeypatch.setattr(zstd, "decompress", counting)
    with pytest.raises(FormatError):
        inventories.parse(b"".join(frames))
    assert count <= 9


def test_a_large_inventory_has_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "MAX_WINDOW", 4096)
    many = Inventory("", (), {Digest(i.to_bytes(32)): i for i in range(1000)})
    assert inventories.emit(many).count(zstd.MAGIC.to_bytes(4, "little")) == 9
    assert inventories.parse(inventories.emit(many)) == many


@given(st.binary(max_size=100))
def test_arbitrary_files_are_no_inventories(file: bytes) -> None:
    with pytest.raises(FormatError):
        inventories.parse(file)


def test_a_request_names_what_is_missing(r2: Sample) -> None:
    index = Index.full(r2.release)
    request = make_request(index, r2.release.blobs[:2])
    assert request == Request("r2", r2.id, {blob.digest: blob.size for blob in r2.release.blobs[:2]}, sequence=2)
    assert inventories.content_id(request) != inventories.content_id(replace(request, name="r3"))
