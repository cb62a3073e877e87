"""The file that says whom a root trusts: one form, and never taken for absent where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import FormatError, TargetError
from airpatch.format import canonical
from airpatch.signing.trusted import TrustedSigners
from airpatch.target.root import Root
from airpatch.target.root_trust import TRUST, emit_trust, parse_trust, stored_trust

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
TRUSTED = TrustedSigners(f"alice {KEY}\n".encode(), b"# none\n", ("alice", "bob"), 2)


def test_parsing_is_inverse_to_emitting() -> None:
    assert parse_trust(emit_trust(TRUSTED)) == TRUSTED


def test_adversary_37_cut_at_every_byte() -> None:
    content = emit_trust(TRUSTED)
    for end in range(len(content)):
        with pytest.raises(FormatError):
            parse_trust(content[:end])


@pytest.mark.parametrize(
    "change",
    [
        {"airpatch": 2},
        {"allowed_signers": "text"},
        {"allowed_signers": b""},
        {"revoked": None},
        {"principals": ["a", 1]},
        {"threshold": 0},
        {"threshold": True},
        {"more": 1},
    ],
)
def test_adversary_42_what_is_refused(change: dict[str, object]) -> None:
    plain = canonical.unpack(emit_trust(TRUSTED), "it")
    assert isinstance(plain, dict)
    with pytest.raises(FormatError):
        parse_trust(canonical.pack(plain | change))


def test_a_root_without_the_file_demands_nothing(tmp_path: Path) -> None:
    with Root(tmp_path / "root", create=True) as root:
        assert stored_trust(root) is None


def test_adversary_12_a_file_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    with Root(tmp_path / "root", create=True) as root:
        root.make_workplace()
        root.write(TRUST, emit_trust(TRUSTED))
        assert stored_trust(root) == TRUSTED
        (tmp_path / "root" / TRUST).write_bytes(b"")
        with pytest.raises(TargetError, match=r"trust: .*--force"):
            stored_trust(root)
