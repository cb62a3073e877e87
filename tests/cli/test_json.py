"""`--json`: one document on stdout for every command and every error, as spec/json.schema.json defines it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airpatch.errors import AirpatchError
from tests.cli.support import IMAGES, PROJECT, SCHEMA, airpatch, check_document, commands, start, validator, words_of

Words = tuple[object, ...]
COMMANDS: dict[str, tuple[Words, ...]] = {
    "create": (("r1", "-o", "full"), ("r1", "--repack", "--effort", "fast", "-o", "full")),
    "diff": (
        ("--base", "r1.tar.zst", "r2", "--effort", "fast", "-o", "patch"),
        ("--base", "host.inventory", "r2", "--effort", "fast", "-o", "patch"),
    ),
    "explain": (("--base", "r1.tar.zst", "r2", "--effort", "fast"),),
    "apply": (
        ("r1.tar.zst", "--root", "new", "--restore", "out"),
        ("r1-r2.tar.zst", "--root", "new", "--dry-run"),
        ("r1-r2.tar.zst", "--root", "root"),
    ),
    "merge": (("r1.tar.zst", "r1-r2.tar.zst", "-o", "merged"),),
    "inventory": (("root", "-o", "inventory"),),
    "rollback": (("root",),),
    "prune": (("root", "--keep", 1, "--dry-run"), ("root", "--keep", 1)),
    "inspect": (
        *((what,) for what in ("r1.tar.zst", "r1-r2.tar.zst", "merged.tar.zst", "root", "host.inventory", "request")),
        ("r1", "--layers"),
        ("r1-r2.tar.zst", "--layers"),
    ),
    "history": (("root",),),
    "verify": (("r1.tar.zst",), ("r1-r2.tar.zst", "--base", "r1.tar.zst"), ("root",)),
    "restore": (
        ("root", "-o", "out"),
        ("root", "-o", "out", "--image", "proxy", "--exact"),
        ("r1.tar.zst", "-o", "layout.tar", "--as", "oci-archive"),
    ),
    "sign": (("r1.tar.zst", "--export", "message"), ("r1.tar.zst", "--key", "key")),
    "trust": (("root", "signers", "--force"),),
    "split": (("r1.tar.zst", "--size", "64KiB", "-o", "other parts"),),
    "join": (("parts", "-o", "joined"),),
    "topup": (("r1.tar.zst", "--request", "wanted", "-o", "topup"),),
    "store-add": (("store", "r1", "--release", "r1", "--sequence", 1), ("new store", "r2")),
    "store-list": (("store",),),
    "store-show": (("store",), ("store", "r1")),
    "store-verify": (("store",),),
    "store-prune": (("store", "--keep", 1, "--dry-run"), ("store", "--keep", 1)),
    "plan": (
        ("store", "--to", "r2", "--last", 1, "--effort", "fast", "-o", "again"),
        ("store", "--to", "r2", "--last", 1, "--site", "host.inventory", "--effort", "fast", "-o", "again"),
    ),
    "work": (("store", "r2.plan", "--shard", "1/2"), ("store", "r2.plan")),
    "collect": (("worked", "--from", "r1", "--to", "r2", "--effort", "fast", "-o", "patch"),),
    "doctor": ((), ("root",), ("nothing",)),
    "completion": (("bash",), ("fish",)),
}
"""Command lines that print a document each, in the folder that `everything` makes."""
ELSEWHERE = {"push", "send", "serve"}
"""Commands whose documents are checked in tests/registry_api, since they need a registry or are one."""


@pytest.fixture(scope="module")
def each_kind(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each kind of thing that a command takes."""
    folder = tmp_path_factory.mktemp("everything")
    for path in (*bundles.iterdir(), IMAGES / "r1", IMAGES / "r2"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    with contextlib.chdir(folder):
        _make_each_kind()
    return folder


def _make_each_kind() -> None:
    assert airpatch("apply", "r1.tar.zst", "--root", "root").code == 0
    assert airpatch("apply", "r1-r2.tar.zst", "--root", "root").code == 0
    assert airpatch("inventory", "root", "-o", "host.inventory").code == 0
    assert airpatch("merge", "r1.tar.zst", "r1-r2.tar.zst", "-o", "merged.tar.zst").code == 0
    assert airpatch("apply", "r1-r2.tar.zst", "--root", "nothing", "--request", "request").code == 5
    for bundle in ("r1.tar.zst", "merged.tar.zst"):
        assert airpatch("store", "add", "store", bundle, "-q").code == 0
    shutil.copytree("store", "worked")
    for store in ("store", "worked"):
        words = ("--to", "r2", "--from", "r1", "--effort", "fast", "-o", "r2.plan")
        assert airpatch("plan", store, *words).code == 0
    assert airpatch("work", "worked", "r2.plan").code == 0
    assert airpatch("split", "r1.tar.zst", "--size", "64KiB", "-o", "parts").code == 0
    Path("cut").write_bytes(Path("r1.tar.zst").read_bytes()[:-100])
    assert airpatch("verify", "cut", "--request", "wanted").code == 3
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    public = Path("key.pub").read_text()
    Path("signers").write_text(f'us namespaces="airpatch,airpatch-trust" {public}')
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "airpatch-trust", "-f", "key", "signers"], check=True)


@pytest.fixture
def everything(each_kind: Path, tmp_path: Path) -> None:
    """The same in the current folder."""
    shutil.copytree(each_kind, tmp_path, symlinks=True, dirs_exist_ok=True)


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_document_is_as_the_schema_has_it(name: str) -> None:
    for words in COMMANDS[name]:
        outcome = airpatch(*words_of(name), *words, "--json")
        assert outcome.document["format"] == f"airpatch.{name}/1", outcome
        error = airpatch(*words_of(name), *words, "--json", "--no-such-option")
        assert (error.code, error.document["format"]) == (2, "airpatch.error/1")


def test_every_command_has_a_definition() -> None:
    assert set(COMMANDS) | ELSEWHERE == set(commands())
    assert [choice["$ref"] for choice in SCHEMA["oneOf"]] == [f"#/$defs/{name}" for name in (*COMMANDS, "error")]
    assert set(COMMANDS) < set(SCHEMA["$defs"])


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """The schemas of objects in `schema`, at any depth."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_specification_lists_every_document() -> None:
    text = (PROJECT / "spec" / "JSON.md").read_text()
    assert [name for name in (*commands(), "error") if f"`airpatch.{name}/1`" not in text] == []


def test_the_schema_is_one_and_leaves_nothing_open() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    found = list(objects(SCHEMA))
    assert len(found) > 30
    for schema in found:
        if "properties" in schema:
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])


def test_the_schema_refuses_other_documents(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1-r2.tar.zst", "--json").document
    right = validator("inspect")
    assert right.is_valid(document)
    assert not right.is_valid(document | {"more": 1})
    assert not right.is_valid(document | {"format": "airpatch.verify/1"})
    assert not right.is_valid({key: value for key, value in document.items() if key != "bases"})
    assert not right.is_valid(document | {"bytes": -1})
    assert not right.is_valid(document | {"release_id": "r2"})


def test_create(tmp_path: Path) -> None:
    document = airpatch("create", IMAGES / "r1", "-o", "full", "--json").document
    assert (document["format"], document["release"], document["images"]) == ("airpatch.create/1", "r1", 8)
    assert document["bytes"] == (tmp_path / "full").stat().st_size


def test_create_to_stdout_reports_on_stderr(tmp_path: Path) -> None:
    """The document must not get into the bundle."""
    process = start("create", IMAGES / "r1", "-o", "-", "--json", "-q")
    bundle, report = process.communicate()
    assert process.returncode == 0
    (tmp_path / "full").write_bytes(bundle)
    assert airpatch("verify", "full").code == 0
    assert check_document(report.decode())["bundle"] == "-"


def test_diff(bundles: Path) -> None:
    outcome = airpatch("diff", "--base", bundles / "r1.tar.zst", IMAGES / "r2", "-o", "patch", "--json")
    assert outcome.document["format"] == "airpatch.diff/1"
    assert outcome.document["bytes"] == Path("patch").stat().st_size


def test_merge(bundles: Path) -> None:
    outcome = airpatch("merge", bundles / "r1.tar.zst", bundles / "r1-r2.tar.zst", "-o", "merged", "--json")
    assert outcome.document["format"] == "airpatch.merge/1"
    assert outcome.document["bases"] == []


def test_inspect_bundle(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1.tar.zst", "--json").document
    assert (document["kind"], document["release"], document["needed"], document["steps"]) == ("bundle", "r1", [], [])
    images, blobs = document["images"], document["blobs"]
    assert isinstance(images, list)
    assert isinstance(blobs, list)
    assert document["image_bytes"] == sum(image["bytes"] for image in images)
    assert document["blob_bytes"] == document["stored_bytes"] == sum(blob["bytes"] for blob in blobs)
    assert {image["name"]: image["signatures"] for image in images}["shop/web:r1"] == 2
    assert {image["name"]: image["platforms"] for image in images}["proxy:r1"] == 2
    assert {blob["disposition"] for blob in blobs} == {"stored"}


def test_inspect_signed_bundle(bundles: Path, tmp_path: Path) -> None:
    assert airpatch("inspect", bundles / "r1.tar.zst", "--json").document["signatures"] == []
    signed = Path(shutil.copy(bundles / "r1.tar.zst", tmp_path))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    (fingerprint,) = airpatch("sign", signed, "--key", "key", "--json").document["signatures"]
    document = airpatch("inspect", signed, "--json").document
    assert document["signatures"] == [{"type": "ssh-ed25519", "fingerprint": fingerprint}]


def test_inspect_patch(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1-r2.tar.zst", "--json").document
    assert (document["kind"], document["removed"], document["image_bytes"]) == ("patch", ["tools/packaging"], None)
    bases, blobs, needed = document["bases"], document["blobs"], document["needed"]
    assert isinstance(bases, list)
    assert isinstance(blobs, list)
    assert isinstance(needed, list)
    assert [base["name"] for base in bases] == ["r1"]
    digests = [blob["digest"] for blob in needed]
    left_out = [blob["digest"] for blob in blobs if blob["disposition"] == "left_out"]
    assert digests[: len(left_out)] == left_out
    assert not set(digests[len(left_out) :]) & {blob["digest"] for blob in blobs}  # sources of layer patches


def test_inspect_inventory_and_request(root: Path, bundles: Path) -> None:
    made = airpatch("inventory", root, "-o", "inventory", "--json").document
    document = airpatch("inspect", "inventory", "--json").document
    assert (document["kind"], document["release"], document["sequence"]) == ("inventory", "r1", 1)
    assert {key: document[key] for key in ("bytes", "id", "product", "blob_bytes")} == {
        key: made[key] for key in ("bytes", "id", "product", "blob_bytes")
    }
    blobs = document["blobs"]
    assert isinstance(blobs, list)
    assert len(blobs) == made["blobs"]
    patch = bundles / "r1-r2.tar.zst"
    needed = airpatch("inspect", patch, "--json").document
    left_out = next(blob for blob in needed["blobs"] if blob["disposition"] == "left_out")
    digest = left_out["digest"].removeprefix("sha256:")
    (root / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data").unlink()
    assert airpatch("apply", patch, "--root", root, "--request", "request").code == 5
    document = airpatch("inspect", "request", "--json").document
    assert (document["kind"], document["release"], document["sequence"]) == ("request", "r2", 2)
    assert document["release_id"] == needed["release_id"]
    requested = document["blobs"]
    assert isinstance(requested, list)
    assert {key: left_out[key] for key in ("digest", "bytes")} in requested
    assert {blob["digest"] for blob in requested} <= {blob["digest"] for blob in needed["blobs"]}


def test_costs_of_a_patch_add_up(bundles: Path) -> None:
    document = airpatch("inspect", bundles / "r1-r2.tar.zst", "--json").document
    images = document["images"]
    assert isinstance(images, list)
    costs = [image["cost_bytes"] for image in images]
    assert sum(costs) + document["unattributed_bytes"] == document["stored_bytes"] + document["patch_bytes"]
    assert max(costs) > 0


def test_inspect_root(root: Path, bundles: Path) -> None:
    assert airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root).code == 0
    document = airpatch("inspect", root, "--json").document
    releases, images = document["releases"], document["images"]
    assert isinstance(releases, list)
    assert isinstance(images, list)
    assert [release["release"] for release in releases] == ["r1", "r2"]
    assert document["current"] == {"default": releases[1]["release_id"]}
    events = airpatch("history", root, "--json").document["events"]
    assert isinstance(events, list)
    told = [(event["action"], event["outcome"], event["release"]) for event in events]
    assert told == [("apply", outcome, release) for release in ("r1", "r2") for outcome in ("begun", "done")]
    assert len(images) == 15
    assert document["interrupted"] is None


def test_verify(root: Path, bundles: Path) -> None:
    document = airpatch("verify", root, "--json").document
    assert document == {
        "format": "airpatch.verify/1", "kind": "root", "name": str(root), "blobs": 36,
        "blob_bytes": document["blob_bytes"],
        "repositories": 7, "tags": 8, "releases": 1, "incomplete": [], "notes": [],
    }  # fmt: skip
    document = airpatch("verify", bundles / "r1.tar.zst", "--json").document
    assert (document["kind"], document["release"], document["blobs"]) == ("bundle", "r1", 36)


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
    assert airpatch("completion", "bash", "--json").document["shell"] == "bash"


Provoke = Callable[[Path, Path], Words]


def _usage(_: Path, __: Path) -> Words:
    return ("create", "nothing", "-o", "full")


def _parsing(_: Path, __: Path) -> Words:
    return ("create", "-o", "full")


def _format(_: Path, here: Path) -> Words:
    (here / "text").write_text("no bundle at all\n")
    return ("verify", "text")


def _integrity(bundles: Path, here: Path) -> Words:
    airpatch("apply", bundles / "r1.tar.zst", "--root", "root")
    layer = max((here / "root").rglob("data"), key=lambda path: path.stat().st_size)
    layer.write_bytes(b"\0" * layer.stat().st_size)
    return ("verify", "root")


def _base(bundles: Path, _: Path) -> Words:
    return ("apply", bundles / "r1-r2.tar.zst", "--root", "root")


def _trust(bundles: Path, _: Path) -> Words:
    airpatch("apply", bundles / "r2.tar.zst", "--root", "root")
    return ("apply", bundles / "r1.tar.zst", "--root", "root")


def _source(_: Path, here: Path) -> Words:
    shutil.copytree(IMAGES / "r1", here / "images")
    for path in (here / "images").rglob("manifest.json"):
        path.write_text("{}")
    return ("create", "images", "-o", "full")


def _target(bundles: Path, here: Path) -> Words:
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
    assert (error["class"], error["exit"]) == (name, outcome.code)
    assert plain.code == outcome.code
    assert plain.out == ""
    assert plain.err == outcome.err
    assert plain.err.startswith(f"airpatch: {error['message']}\n")
    assert plain.err.count("\n") == 1 + len(error["findings"])
    assert not (tmp_path / "full").exists()


def test_every_error_class_is_provoked() -> None:
    assert set(ERRORS) == {c.__name__ for c in AirpatchError.__subclasses__()}


def test_internal_errors_are_told_as_such(monkeypatch: pytest.MonkeyPatch, bundles: Path) -> None:
    def fail(*_: object) -> None:
        raise ValueError("out of order")

    monkeypatch.setattr("airpatch_cli.commands.inspect.run", fail)
    outcome = airpatch("inspect", bundles / "r1.tar.zst", "--json")
    assert outcome.code == 1
    assert outcome.document["error"] == {
        "class": "InternalError", "exit": 1, "message": "ValueError: out of order", "findings": []
    }  # fmt: skip
    assert "Traceback" not in outcome.err
    assert "Traceback" in airpatch("inspect", "x", "-v").err
