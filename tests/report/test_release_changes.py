"""What changed between images: files, packages, platforms, and what cannot be known."""

from __future__ import annotations

from collections.abc import Mapping

from airpatch.model.digest import Digest
from airpatch.report.release_changes import FileChange, ImageChange, PackageChange, ReleaseChanges, release_changes
from tests.delta.support import tar
from tests.support import Builder, MemoryContent, Recorder, execution

STATUS = "var/lib/dpkg/status"
LIST = "var/lib/dpkg/info/curl.list"


def builder(images: Mapping[str, list[bytes]]) -> Builder:
    found = Builder()
    for name, layers in images.items():
        found.tag(name, found.picture(layers))
    return found


def changes(old: Builder, new: Builder, *, without: bytes = b"", whole: bytes = b"") -> ReleaseChanges:
    blobs = {digest: blob for digest, blob in {**old.blobs, **new.blobs}.items() if digest != Digest.of(without)}
    progress = Recorder()
    before, after = (old.images, old.manifests.get), (new.images, new.manifests.get)
    found = release_changes(before, after, MemoryContent(blobs), [Digest.of(whole)], execution(2, progress))
    assert progress.adds_up
    return found


BASE = tar({"etc/kept": b"1", STATUS: b"Package: curl\nVersion: 7\n", LIST: b"/usr/bin/curl\n"})
OLD = tar({"usr/bin/curl": b"1234", "srv/app": b"1", "srv/gone": b"123"})
NEW = tar({"usr/bin/curl": b"12345678", "srv/app": b"22", "srv/new": b"1", STATUS: b"Package: curl\nVersion: 8\n"})


def test_files_and_packages_of_an_image() -> None:
    found = changes(builder({"web:r1": [BASE, OLD], "same:r1": [BASE], "gone:r1": [OLD]}),
                    builder({"web:r2": [BASE, NEW], "same:r2": [BASE]}), whole=NEW)  # fmt: skip
    (change,) = found.images
    assert (str(change.name), str(change.before), change.platform) == ("web:r2", "web:r1", "")
    assert change.counts == {"new": 1, "changed": 3, "removed": 1}
    assert change.files == (
        FileChange(STATUS, "changed", 25, 25),
        FileChange("usr/bin/curl", "changed", 4, 8),
        FileChange("srv/gone", "removed", 3, 0),
        FileChange("srv/app", "changed", 1, 2),
        FileChange("srv/new", "new", 0, 1),
    )
    assert change.packages == (PackageChange("dpkg", "curl", "7", "8", 4, 8),)
    assert list(map(str, found.removed)) == ["gone:r1"]
    assert found.owners[Digest.of(NEW)] == {"usr/bin/curl": ("dpkg", "curl")}
    assert found.new_files[Digest.of(NEW)] == {"srv/new"}
    assert set(found.weights) == {Digest.of(NEW)}


def test_an_image_that_is_new() -> None:
    (change,) = changes(builder({"web:r1": [OLD]}), builder({"web:r1": [OLD], "api:r1": [BASE]})).images
    assert (change.before, change.counts, change.files) == (None, {"new": 3, "changed": 0, "removed": 0}, ())
    assert change.packages == (PackageChange("dpkg", "curl", None, "7", 0, 0),)


def test_what_cannot_be_read_is_not_guessed() -> None:
    old, new = builder({"web:r1": [BASE, OLD]}), builder({"web:r2": [BASE, NEW]})
    for lost in (BASE, OLD, NEW):
        (change,) = changes(old, new, without=lost).images
        assert change == ImageChange(change.name, "", change.before)
    (change,) = changes(builder({}), new).images
    assert change.before is None


def test_of_several_tags_the_same_one_is_compared() -> None:
    old = builder({"web:a": [OLD], "web:b": [BASE]})
    assert [str(each.before) for each in changes(old, builder({"web:a": [NEW], "web:c": [NEW]})).images] == [
        "web:a", "web:b"
    ]  # fmt: skip
    assert changes(old, builder({"web:c": [OLD]})).images == []


def test_platforms_are_compared_one_by_one() -> None:
    def both(changed: bytes) -> Builder:
        found = Builder()
        found.tag("web:r1", found.index([found.picture([BASE, layer]) for layer in (OLD, changed)]))
        return found

    found = changes(both(OLD + bytes(512)), both(NEW))
    assert [(each.platform, each.counts) for each in found.images] == [
        (" 2", {"new": 1, "changed": 3, "removed": 1}),
    ]


def test_many_manifests_of_one_platform_are_told_apart() -> None:
    found = Builder()
    found.tag("web:r1", found.index([found.picture([b"%d" % number]) for number in range(3000)]))
    shown = changes(builder({"other:a": [BASE]}), found)
    assert [each.platform for each in shown.images] == ["", *(f" {number}" for number in range(2, 3001))]
