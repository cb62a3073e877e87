"""`audit_root` tells everything that is wrong with a root, and takes sound ones as they are."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airpatch.archive.open_bundles import open_frames
from airpatch.archive.pack import pack
from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.output import destination
from airpatch.format import registry
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.sources.gather import Gathered, gather
from airpatch.target.audit import VerifiedRoot, audit_root
from airpatch.target.audit_blobs import AuditedBlobs
from airpatch.target.installer import install
from airpatch.target.root import Root
from tests.support import Recorder, execution
from tests.target import support

IMAGES = Path(__file__).resolve().parents[2] / "fixtures" / "images"
WEB = ImageName("shop/web", "r1")


@pytest.fixture(scope="session")
def gathered() -> Gathered:
    return gather([str(IMAGES / "r1")])


@pytest.fixture(scope="session")
def applied(gathered: Gathered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with r1; not to be changed."""
    folder = tmp_path_factory.mktemp("applied")
    bundle = str(folder / "r1.tar.zst")
    with destination(bundle) as sink:
        pack(PreparedBundle(Index.full(gathered.release), gathered.manifests, gathered.content), sink, execution())
    with closing(open_frames(bundle)) as feed:
        install([feed], folder / "root", execution())
    return folder / "root"


@pytest.fixture
def root(applied: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(applied, tmp_path / "root"))


def verify(root: Path) -> VerifiedRoot:
    with Root(root) as opened:
        return audit_root(opened, execution())


def web(gathered: Gathered) -> tuple[Digest, Manifest]:
    digest = next(image.manifest for image in gathered.release.images if image.name == WEB)
    return digest, parse_manifest(gathered.manifests[digest])


def test_sound_root(root: Path, gathered: Gathered) -> None:
    release = gathered.release
    repositories = {image.name.repository for image in release.images}
    assert verify(root) == VerifiedRoot(
        len(release.blobs), release.size, len(repositories), len(release.images), 1, findings=(), obstacles=(), notes=()
    )


def test_progress_counts_every_byte(applied: Path, gathered: Gathered) -> None:
    progress = Recorder()
    with Root(applied) as opened:
        audit_root(opened, execution(1, progress))
    assert [part.total for part in progress.parts] == [gathered.release.size]
    assert progress.adds_up


@pytest.mark.parametrize("at", [0, 0.5, 1], ids=["first", "middle", "last"])
def test_wrong_byte(at: float, root: Path, gathered: Gathered) -> None:
    """Adversaries 27 and 29: any byte of any blob."""
    largest = gathered.release.blobs[0]
    path = root / registry.blob_path(largest.digest)
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    findings = verify(root).findings
    assert findings == (f"{path}: content has the digest {Digest.of(bytes(content))}",)


Damage = Callable[[Path, Gathered], None]


def _repository(root: Path) -> Path:
    return root / registry.repository_path(WEB.repository)


def _empty_blob(root: Path, gathered: Gathered) -> None:
    (root / registry.blob_path(gathered.release.blobs[0].digest)).write_bytes(b"")


def _missing_blob(root: Path, gathered: Gathered) -> None:
    shutil.rmtree((root / registry.blob_path(web(gathered)[1].blobs[1].digest)).parent)


def _missing_data(root: Path, gathered: Gathered) -> None:
    (root / registry.blob_path(web(gathered)[1].blobs[1].digest)).unlink()


def _missing_manifest(root: Path, gathered: Gathered) -> None:
    (root / registry.blob_path(web(gathered)[0])).unlink()


def _blob_is_a_folder(root: Path, gathered: Gathered) -> None:
    path = root / registry.blob_path(web(gathered)[1].blobs[1].digest)
    path.unlink()
    path.mkdir()


def _blob_is_a_link(root: Path, gathered: Gathered) -> None:
    path = root / registry.blob_path(web(gathered)[1].blobs[1].digest)
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")


def _folder_is_a_link(root: Path, _: Gathered) -> None:
    (root / registry.BLOBS / "sha256").rename(root / "elsewhere")
    (root / registry.BLOBS / "sha256").symlink_to(root / "elsewhere")


def _odd_file(root: Path, _: Gathered) -> None:
    (root / registry.BLOBS / "sha256" / "tmp").write_text("x")


def _odd_digest(root: Path, _: Gathered) -> None:
    (root / registry.BLOBS / "sha256" / "ab" / "cd").mkdir(parents=True)


def _odd_algorithm(root: Path, _: Gathered) -> None:
    (root / registry.BLOBS / "sha512").mkdir()


def _file_beside_data(root: Path, gathered: Gathered) -> None:
    (root / registry.blob_path(gathered.release.blobs[0].digest)).with_name("data~").write_text("x")


def _file_among_tags(root: Path, _: Gathered) -> None:
    (_repository(root) / "_manifests" / "tags" / ".staged").write_text("x")


def _file_among_repositories(root: Path, _: Gathered) -> None:
    (root / registry.REPOSITORIES / "shop" / "notes").write_text("x")


def _bad_repository_name(root: Path, _: Gathered) -> None:
    (root / registry.REPOSITORIES / "Shop" / "_layers").mkdir(parents=True)


def _unknown_part(root: Path, _: Gathered) -> None:
    (_repository(root) / "_other").mkdir()


def _empty_link(root: Path, _: Gathered) -> None:
    next((_repository(root) / "_layers").rglob("link")).write_bytes(b"")


def _link_with_newline(root: Path, _: Gathered) -> None:
    path = next((_repository(root) / "_layers").rglob("link"))
    path.write_bytes(path.read_bytes() + b"\n")


def _link_to_another(root: Path, gathered: Gathered) -> None:
    path = next((_repository(root) / "_layers").rglob("link"))
    path.write_text(str(Digest.of(b"")))


def _missing_layer_link(root: Path, gathered: Gathered) -> None:
    (root / registry.layer_link(WEB.repository, web(gathered)[1].blobs[1].digest).path).unlink()


def _missing_layer_folder(root: Path, gathered: Gathered) -> None:
    link = root / registry.layer_link(WEB.repository, web(gathered)[1].blobs[1].digest).path
    shutil.rmtree(link.parent)


def _missing_revision(root: Path, gathered: Gathered) -> None:
    shutil.rmtree((root / registry.revision_link(WEB.repository, web(gathered)[0]).path).parent)


def _missing_child(root: Path, gathered: Gathered) -> None:
    image = next(image for image in gathered.release.images if image.name.repository == "proxy")
    child = parse_manifest(gathered.manifests[image.manifest]).manifests[0].digest
    shutil.rmtree((root / registry.revision_link("proxy", child).path).parent)


def _revision_is_no_manifest(root: Path, gathered: Gathered) -> None:
    config = web(gathered)[1].blobs[0].digest
    path = root / registry.revision_link(WEB.repository, config).path
    path.parent.mkdir()
    path.write_text(str(config))


def _revision_of_nothing(root: Path, _: Gathered) -> None:
    digest = Digest.of(b"nothing")
    path = root / registry.revision_link(WEB.repository, digest).path
    path.parent.mkdir()
    path.write_text(str(digest))


def _tag_without_current(root: Path, _: Gathered) -> None:
    shutil.rmtree(root / registry.tag_folder(WEB) / "current")


def _empty_tag(root: Path, _: Gathered) -> None:
    (root / registry.tag_folder(WEB) / "current" / "link").write_bytes(b"")


def _tag_without_index(root: Path, _: Gathered) -> None:
    shutil.rmtree(root / registry.tag_folder(WEB) / "index")


def _bad_tag(root: Path, _: Gathered) -> None:
    (root / registry.tag_folder(WEB)).rename((root / registry.tag_folder(WEB)).with_name("-r1"))


def _tag_of_no_revision(root: Path, gathered: Gathered) -> None:
    (root / registry.tag_folder(WEB) / "current" / "link").write_text(str(web(gathered)[1].blobs[0].digest))


def _damaged_receipt(root: Path, _: Gathered) -> None:
    next((root / ".airpatch" / "releases").iterdir()).write_bytes(b"x")


def _renamed_receipt(root: Path, _: Gathered) -> None:
    path = next((root / ".airpatch" / "releases").iterdir())
    path.rename(path.with_name("0" * 64))


def _missing_receipt(root: Path, _: Gathered) -> None:
    next((root / ".airpatch" / "releases").iterdir()).unlink()


def _damaged_history(root: Path, _: Gathered) -> None:
    (root / ".airpatch" / "history").write_bytes(b"x\n")


def _torn_history(root: Path, _: Gathered) -> None:
    with (root / ".airpatch" / "history").open("ab") as file:
        file.write(b"x")


def _missing_signature(root: Path, _: Gathered) -> None:
    next((root / ".airpatch" / "signatures").rglob("signature-1")).unlink()


def _wrong_signature(root: Path, _: Gathered) -> None:
    next((root / ".airpatch" / "signatures").rglob("signature-1")).write_bytes(b"x")


WRONG: dict[Damage, str] = {
    _empty_blob: "content has the digest",
    _empty_link: "link: holds 0 bytes instead of its digest",
    _link_with_newline: "link: holds 72 bytes instead of its digest",
    _link_to_another: "link: holds b'sha256:e3b0",
    _empty_tag: "current/link: not a sha256 digest",
    _damaged_receipt: "not a receipt that this airpatch reads",
    _renamed_receipt: "is not the receipt of the release that it is named after",
    _damaged_history: "history: line 1 is not JSON",
    _wrong_signature: "signature-1: content is not sha256:",
    _missing_blob: "tags and links lead to; apply its bundle again: infra/extra/deep/tools:r1 and 4 more images: ",
    _missing_data: "release r1, which is current, lacks 1 blob of 334 kB that tags and links lead to; apply its bundle",
    _missing_manifest: " that tags and links lead to; apply its bundle again: shop/web:r1: ",
}
"""Bytes without their digest, and blobs that are promised."""
UNCHECKED: dict[Damage, str] = {
    _blob_is_a_folder: "is not a regular file",
    _blob_is_a_link: "is not a regular file",
    _folder_is_a_link: "is not a regular file",
}
"""What keeps airpatch from looking."""
REMARKED: dict[Damage, str] = {
    _missing_receipt: "is missing, the receipt of the current release",
    _missing_signature: "signature-1: is missing",
    _odd_file: "sha256/tmp: does not belong there",
    _odd_digest: "sha256/ab/cd: does not belong there",
    _odd_algorithm: "sha512: does not belong there",
    _file_beside_data: "data~: does not belong there",
    _file_among_tags: "tags/.staged: does not belong there",
    _file_among_repositories: "shop/notes: does not belong there",
    _bad_repository_name: "not a valid repository name",
    _unknown_part: "_other: does not belong there",
    _missing_layer_link: "without a link, as a deletion through the registry leaves",
    _missing_layer_folder: "has no layer link, which a revision needs",
    _missing_revision: "is not a revision of the repository",
    _missing_child: "1 of 2 manifests of sha256:",
    _revision_is_no_manifest: "1 manifest of a type that airpatch does not know",
    _revision_of_nothing: "is missing, and is a revision",
    _tag_without_current: "current/link: is missing",
    _tag_without_index: "which is missing from the tag's index",
    _bad_tag: "not a valid tag: '-r1'",
    _torn_history: "its last line was cut short",
    _tag_of_no_revision: "which is not a revision of the repository",
}
"""What registries take, and what others leave behind."""
INCOMPLETE: dict[Damage, str] = {
    _missing_blob: "apply its bundle again: infra/extra/deep/tools:r1 and 4 more images",
    _missing_data: "apply its bundle again: infra/extra/deep/tools:r1 and 4 more images",
    _blob_is_a_folder: "apply its bundle again: infra/extra/deep/tools:r1 and 4 more images",
    _missing_layer_link: "lacks 1 link of layers and manifests; apply its bundle again: shop/web",
    _missing_layer_folder: "lacks 1 link of layers and manifests; apply its bundle again: shop/web",
    _missing_revision: "lacks 1 link of layers and manifests; apply its bundle again: shop/web",
    _missing_child: "lacks 1 link of layers and manifests; apply its bundle again: proxy",
    _empty_link: "lacks 1 link",
}
"""What the current release has to have."""


@pytest.mark.parametrize("damage", INCOMPLETE, ids=lambda damage: damage.__name__.strip("_"))
def test_what_the_current_release_lacks_is_told_with_the_way_out(
    damage: Damage, root: Path, gathered: Gathered
) -> None:
    damage(root, gathered)
    verified = verify(root)
    assert verified.incomplete == ("r1",)
    told = (*verified.findings, *verified.notes)
    assert any(INCOMPLETE[damage] in line for line in told), told


def own_blob(gathered: Gathered, name: ImageName) -> Digest:
    """A blob that no other image has."""
    digest = next(image.manifest for image in gathered.release.images if image.name == name)
    contents = {other: parse_manifest(content) for other, content in gathered.manifests.items()}
    others = {blob.digest for other, manifest in contents.items() if other != digest for blob in manifest.blobs}
    return next(blob.digest for blob in contents[digest].blobs if blob.digest not in others)


def test_what_is_gone_and_what_was_deleted_are_told_apart(root: Path, gathered: Gathered) -> None:
    worker = ImageName("shop/worker", "r1")
    for name in (WEB, worker):
        shutil.rmtree((root / registry.blob_path(own_blob(gathered, name))).parent)
    (root / registry.layer_link(worker.repository, own_blob(gathered, worker)).path).unlink()
    verified = verify(root)
    assert verified.incomplete == ("r1",)
    assert [line.rpartition("again: ")[2].partition(":")[0] for line in verified.findings] == ["shop/web"]
    assert any("lacks 1 blob" in note and "again: shop/worker:r1" in note for note in verified.notes)


def test_a_blob_behind_a_link_that_cannot_be_read_is_a_remark(root: Path, gathered: Gathered) -> None:
    link = root / registry.tag_link(WEB, web(gathered)[0]).path
    link.unlink()
    link.mkdir()
    shutil.rmtree((root / registry.blob_path(own_blob(gathered, WEB))).parent)
    verified = verify(root)
    assert not any("lead to" in line for line in verified.findings)
    assert any("release r1, which is current, lacks 1 blob" in note for note in verified.notes)


@pytest.mark.parametrize("deleted", ["tag", "revision", "layer"])
def test_a_blob_that_was_deleted_with_a_link_to_it_is_a_remark(deleted: str, root: Path, gathered: Gathered) -> None:
    """As registries and garbage collections leave it; what nobody deleted is damage."""
    digest, lost = web(gathered)[0], own_blob(gathered, WEB)
    shutil.rmtree((root / registry.blob_path(lost)).parent)
    assert verify(root).findings != ()
    link = {
        "tag": registry.tag_link(WEB, digest),
        "revision": registry.revision_link(WEB.repository, digest),
        "layer": registry.layer_link(WEB.repository, lost),
    }[deleted]
    (root / link.path).unlink()
    verified = verify(root)
    assert verified.findings == ()
    assert verified.incomplete == ("r1",)
    assert any("release r1, which is current, lacks 1 blob" in note for note in verified.notes)


@pytest.mark.parametrize("damage", WRONG | UNCHECKED | REMARKED, ids=lambda damage: damage.__name__.strip("_"))
def test_damage_is_found(damage: Damage, root: Path, gathered: Gathered) -> None:
    damage(root, gathered)
    verified = verify(root)
    for expected, found in (
        (WRONG, verified.findings),
        (UNCHECKED, verified.obstacles),
        (REMARKED, verified.notes),
    ):
        if damage in expected:
            assert any(expected[damage] in line for line in found), found
        elif expected is WRONG and damage is not _folder_is_a_link:
            assert found == ()
    lines = (*verified.findings, *verified.obstacles, *verified.notes)
    assert all(line.startswith((str(root), "release r1")) for line in lines)


def test_all_damage_is_found_at_once(root: Path, gathered: Gathered) -> None:
    several = [_empty_blob, _empty_link, _empty_tag, _wrong_signature]
    for damage in several:
        damage(root, gathered)
    findings = verify(root).findings
    assert all(any(WRONG[damage] in finding for finding in findings) for damage in several)


def test_unreadable_blob(root: Path, gathered: Gathered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adversary 57: what cannot be read is not said to be wrong, nor to be right."""

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "readv", fail)
    verified = verify(root)
    assert len(verified.obstacles) == len(gathered.release.blobs)
    assert all(line.endswith("data: cannot be read: Input/output error") for line in verified.obstacles)


def test_what_a_garbage_collection_leaves_is_no_finding(root: Path, gathered: Gathered) -> None:
    """It removes blobs and revisions, and leaves layer links and entries of tag indexes."""
    digest = Digest.of(b"deleted")
    for link in (registry.layer_link(WEB.repository, digest), registry.tag_index_link(WEB, digest)):
        path = root / link.path
        path.parent.mkdir()
        path.write_text(str(digest))
    verified = verify(root)
    assert verified.findings == ()
    assert [note.rpartition(": ")[2] for note in verified.notes] == ["2 links to deleted content, which is harmless"]


def test_a_tag_that_was_pushed_since_is_no_finding(root: Path) -> None:
    other, here = ImageName("shop/worker", "r1"), ImageName("shop/worker", "new")
    (root / registry.tag_folder(other)).rename(root / registry.tag_folder(here))
    verified = verify(root)
    assert verified.findings == ()
    assert verified.notes == ("release r1: 1 tag moved or deleted since",)


def test_uploads_are_no_finding(root: Path) -> None:
    (_repository(root) / "_uploads" / "12-34").mkdir(parents=True)
    (_repository(root) / "_uploads" / "12-34" / "data").write_text("x")
    verified = verify(root)
    assert (verified.findings, verified.notes) == ((), ())


def test_an_interrupted_apply_is_a_note(root: Path) -> None:
    (root / ".airpatch" / "journal").write_bytes(b"x")
    verified = verify(root)
    assert verified.findings == ()
    assert verified.notes == ("an apply was interrupted or is still running; if it was interrupted, run it again",)


def test_foreign_layers_may_be_missing(root: Path, gathered: Gathered) -> None:
    """Registries need not hold them."""
    config = web(gathered)[1].blobs[0]
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "size": 10,
        "digest": str(Digest.of(b"foreign")),
        "urls": ["https://example.com/layer"],
    }
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": config.media_type, "size": config.size, "digest": str(config.digest)},
            "layers": [foreign],
        }
    ).encode()
    digest = Digest.of(content)
    revision = root / registry.revision_link(WEB.repository, digest).path
    revision.parent.mkdir()
    revision.write_text(str(digest))
    blob = root / registry.blob_path(digest)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(content)
    verified = verify(root)
    assert verified.findings == ()
    assert [note for note in verified.notes if str(Digest.of(b"foreign")) in note] == []
    other = json.loads(content)
    other["layers"] = [{**foreign, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "urls": []}]
    own = json.dumps(other).encode()
    for path, data in (
        (root / registry.revision_link(WEB.repository, Digest.of(own)).path, str(Digest.of(own)).encode()),
        (root / registry.blob_path(Digest.of(own)), own),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    assert [note for note in verify(root).notes if note.endswith("of 10 bytes, which is missing")] != []


@pytest.mark.parametrize("what", ["gone", "a link"])
def test_adversary_53_a_blob_that_changes_between_listing_and_hashing(
    what: str, root: Path, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root / registry.blob_path(gathered.release.blobs[0].digest)
    hash_blobs = AuditedBlobs.hash_blobs

    def meanwhile(self: AuditedBlobs, *words: Any) -> None:
        file.unlink()
        if what == "a link":
            file.symlink_to("/etc/passwd")
        hash_blobs(self, *words)

    monkeypatch.setattr(AuditedBlobs, "hash_blobs", meanwhile)
    progress = Recorder()
    with Root(root) as opened:
        verified = audit_root(opened, execution(2, progress))
    assert verified.findings == ()
    assert progress.adds_up
    told, reason = (verified.notes, "removed during the check") if what == "gone" else (verified.obstacles, "")
    assert [line for line in told if line.startswith(f"{file}: ") and reason in line] != []


def test_a_release_that_is_not_current_and_lost_blobs_cannot_be_gone_back_to(place: Path) -> None:
    one, two = support.tiny(1), support.tiny(2)
    support.install(place / "root", one.full, two.full)
    own = {blob.digest for blob in one.release.blobs} - {blob.digest for blob in two.release.blobs}
    gone = next(blob.digest for blob in one.release.blobs if blob.digest in own and not blob.is_manifest)
    support.drop(place / "root", [gone])
    verified = verify(place / "root")
    assert verified.findings == ()
    assert "release r1 cannot be rolled back to: 1 of its blobs is gone" in verified.notes


def test_links_whose_folders_are_no_digests_are_notes(root: Path) -> None:
    for name in ("half", "whole"):
        (_repository(root) / "_layers" / "sha256" / name).mkdir()
    verified = verify(root)
    assert verified.findings == ()
    assert sorted(note.rpartition("/")[2] for note in verified.notes) == [
        "half: does not belong there",
        "whole: does not belong there",
    ]


def test_what_lies_beside_a_link_is_a_note(root: Path, gathered: Gathered) -> None:
    (root / registry.layer_link("shop/web", web(gathered)[1].blobs[1].digest).path).with_name("size").write_text("1")
    assert [note.rpartition("/")[2] for note in verify(root).notes] == ["size: does not belong there"]


def test_links_that_were_deleted_are_counted(root: Path, gathered: Gathered) -> None:
    for blob in web(gathered)[1].blobs[:2]:
        (root / registry.layer_link("shop/web", blob.digest).path).unlink()
    assert any("2 folders without a link, as a deletion" in note for note in verify(root).notes)


def test_a_tag_that_leads_to_no_text_is_found(root: Path, gathered: Gathered) -> None:
    (root / registry.tag_link(WEB, web(gathered)[0]).path).write_bytes(b"\xff" * 71)
    (finding,) = verify(root).findings
    assert "shop/web/_manifests/tags/r1/current/link" in finding


def test_receipts_under_other_names_do_not_hide_the_rest(root: Path) -> None:
    releases = root / ".airpatch/releases"
    (receipt,) = releases.iterdir()
    names = ["0" * 64, "f" * 64]
    for name in names:
        shutil.copy(receipt, releases / name)
    findings = verify(root).findings
    assert len(findings) == 2
    assert all(name in "".join(findings) and "named after" in "".join(findings) for name in names)
