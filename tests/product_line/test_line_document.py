"""A plan's document has all releases that its patches lead from and to, in their order, and every patch."""

from __future__ import annotations

from pathlib import Path

import airpatch
from airpatch.store.release_store import ReleaseStore
from tests.cli.support import validator
from tests.support import execution


def test_releases_patches_and_ways(line: ReleaseStore, tmp_path: Path) -> None:
    assert line.address.path is not None
    page = tmp_path / "ways.html"
    written = airpatch.plan(
        line.address.path, tmp_path / "plan", to=["r2", "r3"], last=2, html=page, execution=execution()
    )
    document = written.document
    validator("plan").validate({"format": "airpatch.plan/1", "plan": "plan", "store": "line", **document})
    releases, pairs, chains = document["releases"], document["pairs"], document["chains"]
    assert isinstance(releases, list)
    assert isinstance(pairs, list)
    assert isinstance(chains, list)
    assert [(each["product"], each["name"]) for each in releases] == [
        (product, name) for product in ("amd64", "arm64") for name in ("r1", "r2", "r3")
    ]
    known = {each["id"]: each["name"] for each in releases}
    assert len(pairs) == 6
    assert all(known[each["from_id"]] == each["from"] and known[each["to_id"]] == each["to"] for each in pairs)
    assert all([known[id_] for id_ in each["ids"]] == each["releases"] for each in chains)
    assert b"Patches to r2, r3" in page.read_bytes()
