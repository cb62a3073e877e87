"""Signatures of one manifest that change from release to release are those of the release that is current."""

from __future__ import annotations

import errno
import shutil
from functools import cache
from pathlib import Path

import pytest

from airpatch import linux
from airpatch.errors import BaseMismatch, TargetError
from airpatch.sources.gather import gather
from airpatch.target.audit import audit_root
from airpatch.target.pruning import prune_root
from airpatch.target.rolling_back import roll_back
from airpatch.target.root import Root
from tests.support import Builder, execution
from tests.target.support import (
    Killed,
    Sample,
    install,
    killing,
    sample,
    served,
    snapshot,
    some_and_all,
    staging,
    tiny,
    watched,
)

SETS = {"r1": [b"alice, 2024", b"bob"], "r2": [b"alice, 2025"], "r3": [], "r4": [b"alice, 2025", b"bob", b"carol"]}
"""One image, of which each release has other signatures."""


@cache
def signed(name: str) -> Sample:
    builder = Builder()
    child = builder.picture([b"layer"])
    own = {child: SETS[name]} if SETS[name] else {}
    builder.tag("app:v1", child, own)
    builder.tag("all:v1", builder.index([child]), own)
    return sample(builder, name, int(name[1:]))


def live(root: Path) -> dict[str, list[bytes]]:
    """The signatures that a restore of the root gives, by repository."""
    folders = sorted((root / ".airpatch/signatures").glob("*@sha256=*"))
    return {f.name.split("@")[0]: [file.read_bytes() for file in sorted(f.iterdir())] for f in folders}


def of(name: str) -> dict[str, list[bytes]]:
    return {"all": SETS[name], "app": SETS[name]} if SETS[name] else {}


def kept(root: Path) -> set[bytes]:
    return {file.read_bytes() for file in (root / ".airpatch/kept").glob("*")}


def back(root: Path, to: str) -> None:
    with Root(root) as opened:
        roll_back(opened, execution(), to)


def findings(root: Path) -> tuple[str, ...]:
    with Root(root) as opened:
        return audit_root(opened, execution()).findings


def remarks(root: Path) -> tuple[str, ...]:
    with Root(root) as opened:
        return audit_root(opened, execution()).notes


@pytest.mark.parametrize("old", SETS)
@pytest.mark.parametrize("new", SETS)
def test_apply_and_rollback_give_exactly_those_of_the_release(root: Path, old: str, new: str) -> None:
    install(root, signed(old).full)
    assert (live(root), findings(root)) == (of(old), ())
    install(root, signed(new).patch(signed(old)), allow_downgrade=True)
    assert (live(root), findings(root)) == (of(new), ())
    images = gather([str(root)]).release.images
    assert [len(image.signatures) for image in images] == [len(SETS[new])] * 2
    back(root, old)
    assert (live(root), findings(root)) == (of(old), ())
    back(root, new)
    assert (live(root), findings(root)) == (of(new), ())
    assert kept(root) == {*SETS[old], *SETS[new]}


def test_prune_forgets_those_of_forgotten_releases(root: Path) -> None:
    install(root, *(signed(name).full for name in SETS))
    with Root(root) as opened:
        prune_root(opened, 2)
    assert (live(root), kept(root), findings(root)) == (of("r4"), set(SETS["r4"]), ())
    install(root, tiny(5).full)
    with Root(root) as opened:
        prune_root(opened, 1)
    assert (live(root), kept(root), findings(root)) == ({}, set(), ())


@some_and_all
def test_a_prune_that_was_interrupted_leaves_no_half_of_them(place: Path, stride: int) -> None:
    old = place / "old"
    install(old, signed("r1").full, tiny(2).full)
    for at in range(1, 200, stride):
        root = shutil.copytree(old, place / str(at))
        try:
            with watched(killing(at)), Root(root) as opened:
                prune_root(opened, 1)
            break
        except Killed:
            assert all(own == SETS["r1"] for own in live(root).values())
        with Root(root) as opened:
            prune_root(opened, 1)
        assert (live(root), kept(root), findings(root), staging(root)) == ({}, set(), (), [])
        assert list((root / ".airpatch/signatures").iterdir()) == []
    assert at > 10


def test_of_an_image_that_is_no_longer_in_the_release_they_stay(root: Path) -> None:
    install(root, signed("r1").full, tiny(2).full)
    assert (live(root), findings(root)) == (of("r1"), ())


def test_what_is_kept_no_longer_is_told(root: Path) -> None:
    install(root, signed("r1").full, signed("r2").full)
    for file in (root / ".airpatch/kept").iterdir():
        if file.read_bytes() == b"bob":
            file.unlink()
    assert findings(root) == ()
    assert [remark.rpartition(": ")[2] for remark in remarks(root)] == ["is missing"]
    before = snapshot(root)
    with pytest.raises(BaseMismatch, match="apply its bundle again") as caught:
        back(root, "r1")
    assert caught.value.findings[0] == "all:v1: lacks signatures"
    assert snapshot(root) == before
    install(root, signed("r1").full, allow_downgrade=True)
    assert (live(root), findings(root)) == (of("r1"), ())


def test_damage_is_found_and_healed(root: Path) -> None:
    install(root, signed("r1").full)
    app = next((root / ".airpatch/signatures").glob("app@*"))
    (app / "signature-2").write_bytes(b"BOB")
    (app / "signature-3").write_bytes(b"stranger")
    (damaged,) = (finding for finding in findings(root) if "/app@" in finding)
    assert "signature-2: content is not sha256:" in damaged
    (stranger,) = remarks(root)
    assert "signature-3: is not of the last release that has the manifest" in stranger
    install(root, signed("r1").full)
    assert (live(root), findings(root)) == (of("r1"), ())


@some_and_all
def test_adversary_45_killed_before_any_change(place: Path, stride: int) -> None:
    """Whoever looks sees the signatures of the old release or those of the new one, and another run ends it."""
    old = place / "old"
    install(old, signed("r1").full, signed("r2").full)
    for action in ("apply", "rollback", "prune"):
        for at in range(1, 200, stride):
            root = shutil.copytree(old, place / f"{action}-{at}")
            try:
                with watched(killing(at)):
                    _act(root, action)
                break
            except Killed:
                assert set(map(tuple, live(root).values())) <= {tuple(SETS[name]) for name in ("r1", "r2", "r4")}
                assert set(served(root)) == {"all:v1", "app:v1"}
                assert not [f for f in findings(root) if "/signatures/" in f]
            _act(root, action)
            expected = {"apply": "r4", "rollback": "r1", "prune": "r2"}[action]
            assert (live(root), findings(root), staging(root)) == (of(expected), (), [])
            if action == "prune":
                assert kept(root) == set(SETS["r2"])
        assert at > 5


def _act(root: Path, action: str) -> None:
    if action == "apply":
        install(root, signed("r4").full)
    elif action == "rollback":
        back(root, "r1")
    else:
        with Root(root) as opened:
            prune_root(opened, 1)


@pytest.mark.parametrize("cause", [errno.ENOSYS, errno.EINVAL])
def test_where_names_cannot_be_exchanged(root: Path, cause: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(cause, "no")

    install(root, signed("r1").full)
    monkeypatch.setattr(linux, "exchange", fail)
    install(root, signed("r2").full)
    assert (live(root), findings(root), staging(root)) == (of("r2"), (), [])


def test_an_exchange_that_fails_leaves_the_old_ones(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = linux.exchange

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    install(root, signed("r1").full)
    monkeypatch.setattr(linux, "exchange", fail)
    with pytest.raises(TargetError, match="Input/output error"):
        install(root, signed("r2").full)
    assert live(root) == of("r1")
    monkeypatch.setattr(linux, "exchange", exchange)
    install(root, signed("r2").full)
    assert (live(root), findings(root)) == (of("r2"), ())
