"""The history of a root is a chain: what changes a line of it is found, what a crash leaves of one is passed over."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import airpatch
from airpatch import limits
from airpatch.errors import AirpatchError, FormatError, IntegrityError, TargetError, TrustError
from airpatch.model.digest import Digest
from airpatch.model.release import MAX_TIME
from airpatch.target.history import (
    MAX_NAME,
    Action,
    Event,
    History,
    Outcome,
    Subject,
    appended,
    emit_event,
    parse_history,
    recordable,
)
from airpatch.target.rolling_back import roll_back
from airpatch.target.root import Root
from airpatch.target.state import Origin, all_current, history
from tests.support import execution
from tests.target.support import Sample, install, opened

DIGESTS = st.builds(Digest, st.binary(min_size=32, max_size=32))
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
EVENTS = st.builds(
    Event,
    time=st.integers(0, MAX_TIME),
    uid=st.integers(0, 2**32 - 1),
    sudo_user=st.none() | NAMES,
    action=st.sampled_from(Action),
    outcome=st.sampled_from(Outcome),
    release=st.none() | st.builds(Subject, NAMES, NAMES, DIGESTS),
    bundle=st.none() | DIGESTS,
    trust=st.none() | DIGESTS,
    signers=st.lists(NAMES, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key `vendor`, and the file `signers` that allows it."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "vendor")], check=True)
    (folder / "signers").write_text(f"vendor {(folder / 'vendor.pub').read_text()}")
    return folder


SHOP = Subject("shop", "r1", Digest.of(b"r1"))
SIGNER = "vendor (SHA256:x)"
ONE = Event(1_700_000_000, 0, "alice", Action.APPLY, release=SHOP, bundle=Digest.of(b"file"), signers=(SIGNER,))


def chain(events: list[Event]) -> bytes:
    content = b""
    for event in events:
        content = appended(content, event)
    return content


@given(st.lists(EVENTS, max_size=5))
def test_histories_come_back_as_they_were(events: list[Event]) -> None:
    content = chain(events)
    found = parse_history(content)
    assert found.events == tuple(events)
    assert found.torn == 0
    assert list(found.hashes) == [Digest.of(line) for line in content.splitlines(keepends=True)]


def test_a_line_is_json_that_names_what_was_done() -> None:
    assert json.loads(chain([ONE])) == {
        "airpatch": 1,
        "previous": None,
        "time": "2023-11-14T22:13:20Z",
        "uid": 0,
        "sudo_user": "alice",
        "action": "apply",
        "outcome": "done",
        "product": "shop",
        "release": "r1",
        "release_id": str(SHOP.id),
        "bundle": str(Digest.of(b"file")),
        "trust": None,
        "signers": [SIGNER],
    }


def test_adversary_37_what_a_crash_cut_short_is_passed_over_and_dropped() -> None:
    whole = chain([ONE, ONE])
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole)):
        found = parse_history(whole[:size])
        assert (len(found.events), found.torn) == (1, size - first)
        assert appended(whole[:size], ONE) == whole


@given(st.integers(0, len(chain([ONE] * 3)) * 8 - 1))
def test_adversary_38_a_flipped_bit_breaks_the_chain_or_leaves_a_torn_line(bit: int) -> None:
    content = bytearray(chain([ONE] * 3))
    content[bit // 8] ^= 1 << bit % 8
    try:
        found = parse_history(bytes(content))
    except (FormatError, IntegrityError):
        return
    before = parse_history(chain([ONE] * 3))
    assert found.hashes != before.hashes
    assert found.torn or found.last_hash != before.last_hash


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lines: lines[1:], id="the first removed"),
        pytest.param(lambda lines: [lines[0], *lines[2:]], id="one removed"),
        pytest.param(lambda lines: [lines[1], lines[0], *lines[2:]], id="two exchanged"),
        pytest.param(lambda lines: [lines[0], *lines], id="one repeated"),
        pytest.param(lambda lines: [*lines[:1], b"\n", *lines[1:]], id="an empty line"),
        pytest.param(lambda lines: [lines[0].replace(b'"uid":0', b'"uid":1'), *lines[1:]], id="another user"),
        pytest.param(lambda lines: [*lines[:2], lines[2].replace(b":", b": ", 1)], id="a space"),
    ],
)
def test_a_broken_chain_is_found(change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = chain([ONE] * 3).splitlines(keepends=True)
    with pytest.raises(IntegrityError, match=r"chain is broken|not an event|not JSON|canonical"):
        parse_history(b"".join(change(lines)))


LINE = json.loads(emit_event(ONE, None))


@pytest.mark.parametrize(
    "change",
    [
        {"previous": "x"},
        {"previous": 1},
        {"time": "2023-11-14"},
        {"time": 1},
        {"uid": True},
        {"uid": -1},
        {"uid": 2**32},
        {"uid": 1.0},
        {"sudo_user": ""},
        {"sudo_user": "a\n"},
        {"sudo_user": "a" * (MAX_NAME + 1)},
        {"action": "delete"},
        {"outcome": "failed"},
        {"product": None},
        {"release": ""},
        {"release_id": "sha256:"},
        {"bundle": "x"},
        {"trust": 7},
        {"signers": "x"},
        {"signers": ["x"] * 33},
        {"signers": [""]},
        {"more": 1},
    ],
    ids=repr,
)
def test_adversary_42_other_lines_are_no_events(change: dict[str, object]) -> None:
    line = json.dumps(LINE | change, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(IntegrityError):
        parse_history(line)


@pytest.mark.parametrize("line", [b"[]\n", b"1\n", b"\xff\n", b"[" * 100_000 + b"\n", b"{}\n", b'{"airpatch":2}\n'])
def test_adversary_42_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises((IntegrityError, FormatError)):
        parse_history(line)


def test_what_cannot_be_written_is_made_writable() -> None:
    assert recordable("a\nb\ud800\x1b" + "x" * MAX_NAME) == ("a?b??" + "x" * MAX_NAME)[:MAX_NAME]


# On a root


def test_an_apply_says_who_did_it_with_which_file_and_whose_signatures(
    tmp_path: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    (tmp_path / "bundle").write_bytes(r1.full)
    airpatch.apply(tmp_path / "bundle", tmp_path / "root")
    begun, done = airpatch.history(tmp_path / "root").history.events
    assert (begun.outcome, done.outcome) == (Outcome.BEGUN, Outcome.DONE)
    assert (done.uid, done.sudo_user, done.bundle) == (os.getuid(), "alice", Digest.of(r1.full))
    assert done.release == Subject(r1.release.product, "r1", r1.id)
    assert done.signers == ()


def test_a_patch_of_which_frames_are_passed_over_has_its_whole_files_hash(root: Path, r1: Sample, r2: Sample) -> None:
    for bundle in (r1.full, r2.full):
        (root.parent / "bundle").write_bytes(bundle)
        airpatch.apply(root.parent / "bundle", root)
    events = airpatch.history(root).history.events
    assert [e.bundle for e in events if e.outcome is Outcome.DONE] == [Digest.of(r1.full), Digest.of(r2.full)]


def test_a_change_of_trust_is_told_and_one_that_is_not_is_noticed(root: Path, keys: Path) -> None:
    signers = airpatch.trusted_signers(keys / "signers")
    airpatch.trust(root, signers)
    (event,) = airpatch.history(root).history.events
    trust = root / ".airpatch/trust"
    assert (event.action, event.release, event.trust) == (Action.TRUST, None, Digest.of(trust.read_bytes()))
    assert airpatch.history(root).notes == ()
    trust.unlink()
    (note,) = airpatch.history(root).notes
    assert "is not the file that the history records" in note


def test_a_torn_line_is_a_remark_and_the_next_event_replaces_it(root: Path, r1: Sample, r2: Sample) -> None:
    install(root, r1.full)
    path = root / ".airpatch/history"
    with path.open("ab") as file:
        file.write(b'{"airpatch":1,"prev')
    (note,) = airpatch.history(root).notes
    assert "cut short" in note
    verified = airpatch.verify(root)
    assert isinstance(verified, airpatch.VerifiedRoot)
    assert note in verified.notes
    install(root, r2.full)
    assert airpatch.history(root).notes == ()
    with Root(root) as files:
        assert all_current(files) == {"default": r2.id}


@pytest.mark.parametrize("act", ["apply", "rollback", "prune", "history", "verify", "inspect", "inventory"])
def test_a_broken_chain_stops_everything_before_it_begins(root: Path, r1: Sample, r2: Sample, act: str) -> None:
    install(root, r1.full)
    install(root, r2.full)
    path = root / ".airpatch/history"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    (root.parent / "bundle").write_bytes(r1.full)
    before = sorted(root.rglob("*"))
    acts: dict[str, Callable[[], object]] = {
        "apply": lambda: airpatch.apply(root.parent / "bundle", root, allow_downgrade=True),
        "rollback": lambda: airpatch.rollback(root),
        "prune": lambda: airpatch.prune(root, keep=1),
        "history": lambda: airpatch.history(root),
        "verify": lambda: airpatch.verify(root),
        "inspect": lambda: airpatch.inspect(root),
        "inventory": lambda: airpatch.inventory(root, root.parent / "out"),
    }
    with pytest.raises(IntegrityError, match=r"\.airpatch/history|chain is broken|findings?") as caught:
        acts[act]()
    assert "chain is broken" in str(caught.value)
    assert sorted(root.rglob("*")) == before


def test_a_history_that_is_full_refuses_more(root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root, r1.full)
    monkeypatch.setattr(limits.HISTORY, "value", (root / ".airpatch/history").stat().st_size + 10)
    with opened(root) as (_, held), pytest.raises(TargetError, match="move it elsewhere"):
        held.record(r1.release, Origin())


def test_an_interrupted_apply_stands_there_as_begun(root: Path, r1: Sample, r2: Sample) -> None:
    install(root, r1.full)
    with opened(root) as (_, held):
        held.begin(r2.release, Origin(bundle=Digest.of(b"x")))
    with Root(root) as files:
        assert history(files).events[-1].outcome is Outcome.BEGUN
        assert all_current(files) == {"default": r1.id}
        roll_back(files, execution(), "r1")
        assert [event.action for event in history(files).events[-2:]] == [Action.ROLLBACK] * 2


def test_a_refusal_leaves_no_word(root: Path, r1: Sample, keys: Path) -> None:
    install(root, r1.full)
    (root.parent / "bundle").write_bytes(r1.full)
    before = (root / ".airpatch/history").read_bytes()
    with pytest.raises(TrustError):
        airpatch.apply(root.parent / "bundle", root, trusted=airpatch.trusted_signers(keys / "signers"))
    assert (root / ".airpatch/history").read_bytes() == before


def test_an_empty_history_is_one(root: Path) -> None:
    root.mkdir()
    with Root(root) as files:
        assert history(files) == History()
    with pytest.raises(AirpatchError):
        airpatch.history(root)
