"""Manifests are read from the top down; what is missing or wrong is told apart, and the others are kept."""

from __future__ import annotations

import pytest

from airpatch import limits
from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.sources.manifests import read_manifests
from tests.support import Builder

BUILDER = Builder()
ONE, TWO = BUILDER.picture([b"one"]), BUILDER.picture([b"two"])
TOP = BUILDER.index([ONE, TWO])


def test_all_that_lie_below() -> None:
    found = read_manifests(Digest.of(TOP), BUILDER.manifests.get)
    assert found.content == BUILDER.manifests
    assert found.parsed.keys() == BUILDER.manifests.keys()
    assert not found.missing
    assert not found.findings


def test_one_that_is_missing_leaves_the_others() -> None:
    there = {digest: content for digest, content in BUILDER.manifests.items() if content != ONE}
    found = read_manifests(Digest.of(TOP), there.get)
    assert found.missing == {Digest.of(ONE)}
    assert found.content == there


def test_one_with_other_bytes_or_of_another_form_is_a_finding() -> None:
    wrong = {**BUILDER.manifests, Digest.of(ONE): TWO}
    found = read_manifests(Digest.of(TOP), wrong.get)
    assert [finding.startswith(f"manifest {Digest.of(ONE)}: ") for finding in found.findings] == [True]
    assert found.content.keys() == {Digest.of(TOP), Digest.of(TWO)}
    found = read_manifests(Digest.of(b"{}"), lambda _: b"{}")
    assert not found.content
    assert len(found.findings) == 1


def test_no_more_are_held_than_a_release_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.MANIFESTS, "value", len(TOP) + len(ONE) + len(TWO) - 1)
    with pytest.raises(SourceError, match=r"have more than [0-9]+ \(--limit manifests .* bytes in all"):
        read_manifests(Digest.of(TOP), BUILDER.manifests.get)
