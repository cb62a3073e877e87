"""`--json`: one document on stdout for every command and every error."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import AirpatchError
from tests.cli.support import IMAGES, airpatch, start

RELEASE = {"release", "sequence", "release_id"}
BUNDLE = {
    "kind", "name", "bytes", "format", *RELEASE, "bases", "removed", "image_bytes", "blob_bytes", "stored_bytes",
    "patch_bytes", "patched_bytes", "difference_bytes", "decisions_bytes", "views_bytes", "rebuilt_plaintext_bytes",
    "needed", "needed_bytes", "images", "blobs", "steps", "features",
}  # fmt: skip
IMAGE = {"name", "manifest", "platforms", "layers", "bytes", "own_bytes"}
ROOT = {
    "kind", "name", "current", "interrupted", "releases", "history", "repositories", "image_bytes", "blob_bytes",
    "images", "blobs",
}  # fmt: skip


def test_create(tmp_path: Path) -> None:
    document = airpatch("create", IMAGES / "r1", "-o", "full", "--json").document
    assert {"bundle", "bytes", "images", "blobs", "blob_bytes", *RELEASE} <= set(document)
    assert document["bytes"] == (tmp_path / "full").stat().st_size


def test_create_to_stdout_reports_on_stderr(tmp_path: Path) -> None:
    """The document must not get into the bundle."""
    process = start("create", IMAGES / "r1", "-o", "-", "--json")
    bundle, report = process.communicate()
    assert process.returncode == 0
    (tmp_path / "full").write_bytes(bundle)
    assert airpatch("verify", "full").code == 0
    assert b'"release_id"' in report


def test_diff(bundles: Path) -> None:
    outcome = airpatch("diff", "--base", bundles / "r1.tar.zst", IMAGES / "r2", "-o", "patch", "--json")
    assert set(outcome.document) >= {"bundle", "bytes", *RELEASE}


def test_merge(bundles: Path) -> None:
    outcome = airpatch("merge", bundles / "r1.tar.zst", bundles / "r1-r2.tar.zst", "-o", "merged", "--json")
    assert set(outcome.document) >= {"bundle", "bytes", *RELEASE}


def test_inspect_bundle(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1.tar.zst", "--json").document
    assert set(document) == BUNDLE
    assert (document["kind"], document["release"], document["needed"], document["steps"]) == ("bundle", "r1", [], [])
    images, blobs = document["images"], document["blobs"]
    assert isinstance(images, list)
    assert isinstance(blobs, list)
    assert all(set(image) == {*IMAGE, "signatures"} for image in images)
    assert document["image_bytes"] == sum(image["bytes"] for image in images)
    assert document["blob_bytes"] == document["stored_bytes"] == sum(blob["bytes"] for blob in blobs)
    assert {image["name"]: image["signatures"] for image in images}["shop/web:r1"] == 2
    assert {image["name"]: image["platforms"] for image in images}["proxy:r1"] == 2
    assert {blob["plan"] for blob in blobs} == {"stored"}


def test_inspect_patch(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1-r2.tar.zst", "--json").document
    assert set(document) == BUNDLE
    assert (document["kind"], document["removed"], document["image_bytes"]) == ("patch", ["tools/packaging"], None)
    bases, blobs, needed = document["bases"], document["blobs"], document["needed"]
    assert isinstance(bases, list)
    assert isinstance(blobs, list)
    assert isinstance(needed, list)
    assert [base["name"] for base in bases] == ["r1"]
    digests = [blob["digest"] for blob in needed]
    left_out = [blob["digest"] for blob in blobs if blob["plan"] == "left_out"]
    assert digests[: len(left_out)] == left_out
    assert not set(digests[len(left_out) :]) & {blob["digest"] for blob in blobs}  # sources of layer patches


def test_inspect_root(root: Path, bundles: Path) -> None:
    assert airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root).code == 0
    document = airpatch("inspect", root, "--json").document
    assert set(document) == ROOT
    releases, history, images = document["releases"], document["history"], document["images"]
    assert isinstance(releases, list)
    assert isinstance(history, list)
    assert isinstance(images, list)
    assert [release["release"] for release in releases] == ["r1", "r2"]
    assert document["current"] == releases[1]["release_id"]
    assert [(event["action"], event["release"]) for event in history] == [("apply", "r1"), ("apply", "r2")]
    assert all(set(image) == IMAGE for image in images)
    assert len(images) == 15
    assert document["interrupted"] is None


def test_verify(root: Path, bundles: Path) -> None:
    document = airpatch("verify", root, "--json").document
    assert document == {
        "kind": "root", "name": str(root), "blobs": 36, "blob_bytes": document["blob_bytes"], "repositories": 7,
        "tags": 8, "releases": 1, "notes": [],
    }  # fmt: skip
    document = airpatch("verify", bundles / "r1.tar.zst", "--json").document
    assert set(document) == {
        "kind",
        "name",
        *RELEASE,
        "images",
        "blobs",
        "blob_bytes",
        "patched",
        "patched_bytes",
        "carried_out",
        "signed_by",
    }


def test_apply(bundles: Path) -> None:
    outcome = airpatch("apply", bundles / "r1.tar.zst", "--root", "root", "--restore", "out", "--json")
    document = outcome.document
    assert (document["dry_run"], document["restored"]) == (False, "out")
    applied = document["applied"]
    assert isinstance(applied, list)
    assert len(applied[0]["written"]) == 36
    assert "shop/web:r1" in applied[0]["tags"]


def test_restore(root: Path) -> None:
    document = airpatch("restore", root, "-o", "out", "--image", "shop/web:r1", "--json").document
    images = document["images"]
    assert isinstance(images, list)
    assert [image["name"] for image in images] == ["shop/web:r1"]
    assert (document["output"], document["as"]) == ("out", "dir")


def test_inventory_rollback_and_prune(root: Path, bundles: Path) -> None:
    assert airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root).code == 0
    assert airpatch("inventory", root, "-o", "inventory", "--json").document["release"] == "r2"
    assert airpatch("rollback", root, "--json").document["release"] == "r1"
    forgotten = airpatch("prune", root, "--keep", 1, "--json").document["forgotten"]
    assert isinstance(forgotten, list)
    assert [release["release"] for release in forgotten] == ["r2"]


def test_completion() -> None:
    assert set(airpatch("completion", "bash", "--json").document) == {"shell", "script"}


Provoke = Callable[[Path, Path], tuple[object, ...]]


def _usage(_: Path, __: Path) -> tuple[object, ...]:
    return ("create", "nothing", "-o", "full")


def _parsing(_: Path, __: Path) -> tuple[object, ...]:
    return ("create", "-o", "full")


def _format(_: Path, here: Path) -> tuple[object, ...]:
    (here / "text").write_text("no bundle at all\n")
    return ("verify", "text")


def _integrity(bundles: Path, here: Path) -> tuple[object, ...]:
    airpatch("apply", bundles / "r1.tar.zst", "--root", "root")
    next((here / "root").rglob("data")).write_bytes(b"something else")
    return ("verify", "root")


def _base(bundles: Path, _: Path) -> tuple[object, ...]:
    return ("apply", bundles / "r1-r2.tar.zst", "--root", "root")


def _trust(bundles: Path, _: Path) -> tuple[object, ...]:
    airpatch("apply", bundles / "r2.tar.zst", "--root", "root")
    return ("apply", bundles / "r1.tar.zst", "--root", "root")


def _source(_: Path, here: Path) -> tuple[object, ...]:
    shutil.copytree(IMAGES / "r1", here / "images")
    for path in (here / "images").rglob("manifest.json"):
        path.write_text("{}")
    return ("create", "images", "-o", "full")


def _target(bundles: Path, here: Path) -> tuple[object, ...]:
    (here / "root").write_text("a file")
    return ("apply", bundles / "r1.tar.zst", "--root", "root")


ERRORS: dict[str, tuple[Provoke, ...]] = {
    "UsageError": (_usage, _parsing),
    "FormatError": (_format,),
    "IntegrityError": (_integrity,),
    "BaseMismatch": (_base,),
    "TrustError": (_trust,),
    "SourceError": (_source,),
    "TargetError": (_target,),
}


@pytest.mark.parametrize(("name", "provoke"), [(name, p) for name, several in ERRORS.items() for p in several])
def test_errors(name: str, provoke: Provoke, bundles: Path, tmp_path: Path) -> None:
    words = provoke(bundles, tmp_path)
    plain = airpatch(*words)
    outcome = airpatch(*words, "--json")
    error = outcome.document["error"]
    assert isinstance(error, dict)
    assert set(error) == {"class", "exit", "message", "findings"}
    assert (error["class"], error["exit"]) == (name, outcome.code)
    assert plain.code == outcome.code
    assert plain.out == ""
    assert plain.err == outcome.err
    assert plain.err.startswith(f"airpatch: {error['message']}\n")
    assert plain.err.count("\n") == 1 + len(error["findings"])
    assert not (tmp_path / "full").exists()


def test_every_error_class_is_provoked() -> None:
    assert set(ERRORS) == {c.__name__ for c in AirpatchError.__subclasses__()}


def test_defects_are_told_as_such(monkeypatch: pytest.MonkeyPatch, bundles: Path) -> None:
    def fail(*_: object) -> None:
        raise ValueError("out of order")

    monkeypatch.setattr("airpatch_cli.commands.inspect.run", fail)
    outcome = airpatch("inspect", bundles / "r1.tar.zst", "--json")
    assert outcome.code == 1
    assert outcome.document["error"] == {
        "class": "Defect", "exit": 1, "message": "ValueError: out of order", "findings": []
    }  # fmt: skip
    assert "Traceback" not in outcome.err
    assert "Traceback" in airpatch("inspect", "x", "-v").err
