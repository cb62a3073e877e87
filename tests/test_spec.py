"""The tables of spec/FORMAT.md, spec/TARGET.md and spec/VIEWS.md say what the code does."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from airpatch import limits as limits_module
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.format import canonical, layout, tar
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.format.layout import KEPT, RELEASES
from airpatch.format.receipts import Receipt, emit_receipt
from airpatch.format.registry import Stage, layer_link, revision_link, tag_index_link, tag_link
from airpatch.layers.recipe import Method, Plain, Replay, Replica, ViewSizes, Whole, emit_header
from airpatch.layers.versions import known_features
from airpatch.limits import Limit
from airpatch.model import manifest
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.signing.sshsig import Signature, emit
from airpatch.store.root_objects import OWN
from airpatch.target.history import Action, Event, Outcome, emit_event
from airpatch.target.root_reader import STAGING
from airpatch.target.root_trust import TRUST
from airpatch.target.state import (
    HISTORY,
    JOURNAL,
    LOCK,
)
from airpatch.views import framings
from airpatch.views.description import END, FIRST_CODING, REST, SKIP
from tests.support import Builder, MemorySink, contents_of, execution

TOP = Path(__file__).resolve().parent.parent
SPEC = TOP / "spec"


def rows_of(name: str) -> list[list[str]]:
    """The rows of all tables of a specification."""
    lines = (SPEC / name).read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| ") and "---" not in line
    ]


ROWS = rows_of("FORMAT.md")
TARGET_ROWS = rows_of("TARGET.md")
VIEW_ROWS = rows_of("VIEWS.md")
CONSTANTS = [
    (row[-1].strip("`"), row[1])
    for row in (*ROWS, *TARGET_ROWS, *VIEW_ROWS)
    if re.fullmatch(r"`airpatch(\.\w+)+`", row[-1]) and len(row) in (3, 4)
]


def resolve(name: str) -> object:
    """The value of a dotted name, classes in modules included."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            value = getattr(value, attribute)
        return value
    raise AssertionError(name)


@pytest.mark.parametrize(("name", "value"), CONSTANTS)
def test_constants(name: str, value: str) -> None:
    assert resolve(name) == int(value, 0)


def test_every_limit_of_the_code_is_in_the_specification() -> None:
    modules = ("canonical", "index", "registry", "zstd")
    limits = {
        f"airpatch.{module}.{name}"
        for module in (
            *(f"format.{name}" for name in modules),
            "model.manifest",
            "model.names",
            "model.release",
            "layers.recipe",
        )
        for name in vars(importlib.import_module(f"airpatch.{module}"))
        if name.startswith("MAX_")
    }
    raised = {name for name, value in vars(limits_module).items() if isinstance(value, Limit)}
    limits |= {f"airpatch.limits.{name}.value" for name in raised}
    assert {name for name in limits if name.startswith("airpatch.limits.")} <= {name for name, _ in CONSTANTS}
    owners = {name.rsplit(".", 1)[1] for name, _ in CONSTANTS}
    assert {name.rsplit(".", 1)[1] for name in limits} <= owners


def test_what_the_code_cites_is_there() -> None:
    headings = {
        path.name: {line.lstrip("#").strip() for line in path.read_text().splitlines() if line.startswith("#")}
        for path in SPEC.glob("*.md")
    }
    cited = 0
    for package in ("bundle", "bench", "cli", "fuzz", "tests"):
        for path in (TOP / package).rglob("*.py"):
            text = re.sub(r"\s*\n[#\s]*", " ", path.read_text())
            for name in re.findall(r"spec/([A-Z]\w*\.md)", text):
                assert name in headings, f"{path}: {name}"
                cited += 1
            for name, heading in re.findall(r"\(spec/([A-Z]\w*\.md), ([^)]+)\)", text):
                assert heading in headings[name], f"{path}: {name}, {heading}"
    assert cited > 20


def test_the_state_of_a_target(sample: Builder) -> None:
    tables = {
        kind: [TARGET_ROWS[i][0].strip("`") for i in range(start + 1, start + 1 + length)]
        for start, row in enumerate(TARGET_ROWS)
        for kind, length in (("field of a receipt", 3), ("member of an event", 13))
        if row[0] == kind
    }
    receipt = canonical.unpack(emit_receipt(Receipt(sample.release, 1)), "the receipt")
    event = json.loads(emit_event(Event(0, 0, None, Action.APPLY), None))
    assert isinstance(receipt, dict)
    assert tables["field of a receipt"] == list(receipt)
    assert tables["member of an event"] == list(event)
    (actions,) = (row[2] for row in TARGET_ROWS if row[0] == "`action`")
    assert re.findall(r"\*(\w+)\*", actions) == [str(action) for action in Action]
    (outcomes,) = (row[2] for row in TARGET_ROWS if row[0] == "`outcome`")
    assert re.findall(r"\*(\w+)\*", outcomes) == [str(outcome) for outcome in Outcome]
    places = {part for row in TARGET_ROWS for part in re.findall(r"`(\.airpatch/[a-z]+)", row[0])}
    assert places == {LOCK, STAGING, JOURNAL, RELEASES, HISTORY, KEPT, TRUST, layout.IMAGE_SIGNATURES, OWN}


def test_the_header_of_a_member() -> None:
    rows = [row for row in ROWS if len(row) == 4 and row[0].isdigit()]
    offset = 0
    for row in rows:
        assert int(row[0]) == offset
        offset += int(row[1])
    assert offset == tar.RECORD
    fixed = {row[2]: row[3] for row in rows}
    header = tar.header("x", 0)
    assert header[100:108] == b"0000644\0"
    assert fixed["mode"] == "`0000644` NUL"
    assert header[136:148] == fixed["mtime"].split("`")[1].encode() + b"\0"


def test_the_fields_of_the_index(sample: Builder) -> None:
    document = canonical.unpack(emit_index(Index.full(sample.release)), "the index")
    assert isinstance(document, dict)
    fields = [row[0].strip("`") for row in ROWS if len(row) == 3 and re.fullmatch(r"`[a-z_]+`", row[0])]
    header = canonical.unpack(emit_header(Plain(), (7, 1, 1), ViewSizes(9, 9))[4:], "the header of a layer patch")
    assert isinstance(header, dict)
    assert fields == [*document, *document["release"], *document["packing"], *header]


def test_the_methods_of_layer_patches() -> None:
    rows = {row[0]: row for row in ROWS if len(row) == 3 and row[0] in ("plain", "replica", "replay", "whole")}
    methods: list[Method] = [Plain(), Replica("zlib-6", b""), Replay(()), Whole()]
    for (name, (_, details, sections)), method in zip(rows.items(), methods, strict=True):
        header = emit_header(method, (0,))
        document = canonical.unpack(header[4:], "the header of a layer patch")
        assert isinstance(document, dict)
        assert document["method"][0] == name
        assert len(document["method"]) - 1 == details.count("*") // 2
        assert ("columns" in sections) == (name == "replay")


def test_the_types_of_manifests() -> None:
    listed = {row[0].strip("`") for row in ROWS if len(row) == 3 and row[0].startswith("`application/")}
    assert listed == manifest.MANIFEST_TYPES


def test_the_paths(sample: Builder) -> None:
    digest, name = Digest.of(b"x"), ImageName("shop/web", "r1")
    paths = {row[0]: row[1].strip("`") for row in ROWS if len(row) == 2 and "/" in row[1]}
    for kind, link in (
        ("layer link", layer_link(name.repository, digest)),
        ("revision link", revision_link(name.repository, digest)),
        ("tag index link", tag_index_link(name, digest)),
        ("tag link", tag_link(name, digest)),
    ):
        expected = paths[kind].replace("REPO", name.repository).replace("TAG", name.tag).replace("HEX", digest.hex)
        assert link.path == expected
    assert [stage.name for stage in Stage] == ["LAYER", "REVISION", "TAG_INDEX", "TAG"]


def test_the_sections(sample: Builder) -> None:
    """A bundle of small members has one frame for each."""
    sections = [row[0] for row in ROWS if len(row) == 2 and row[0].isalpha() and row[0].isupper()]
    assert sections == ["INDEX", "SIGNATURES", "DATA", "MANIFESTS", "LINKS"]
    sink = MemorySink()
    signature = emit(Signature(b"key", "airpatch", "sha512", b"blob")).encode()
    bundle = PreparedBundle(Index.full(sample.release), sample.manifests, sample.content, signatures=[signature])
    write_bundle(bundle, sink, execution(2))
    assert len(contents_of(bytes(sink.data))) == len(sections)


def test_the_framings_and_actions_of_views() -> None:
    framed = [row[0] for row in VIEW_ROWS if len(row) == 3 and row[0] in framings.FRAMINGS]
    assert tuple(framed) == framings.FRAMINGS
    actions = {
        row[0]: row[1].split("*")[1] for row in VIEW_ROWS if len(row) == 2 and "*" in row[1] and row[0][0].isdigit()
    }
    assert actions == {str(END): "end", str(REST): "rest", str(SKIP): "skip", f"{FIRST_CODING} + i": "begin"}


def test_every_feature_that_is_known_is_of_a_kind_that_is_specified() -> None:
    kinds = {row[0].strip("`").split()[0] for row in ROWS if len(row) == 2 and re.fullmatch(r"`[a-z]+ [A-Z]+`", row[0])}
    assert {feature.split()[0] for feature in known_features()} == kinds
