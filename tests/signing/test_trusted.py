"""Whom to trust, and who may change that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airpatch.errors import FormatError, TrustError
from airpatch.signing.trusted import TrustedSigners
from tests.signing.conftest import public

NOW = 1_800_000_000.0


@pytest.fixture
def alice(keys: dict[str, Path]) -> TrustedSigners:
    return TrustedSigners(f"alice {public(keys['ed25519'])}\n".encode())


@pytest.fixture
def successor(keys: dict[str, Path]) -> TrustedSigners:
    return TrustedSigners(f"bob {public(keys['other'])}\n".encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold": 0}, "from 1 to 16"),
        ({"threshold": 17}, "from 1 to 16"),
        ({"principals": ("a", "a")}, "are named twice"),
        ({"principals": tuple(map(str, range(65)))}, "more than 64"),
        ({"allowed_signers": b""}, "has no signer"),
        ({"revoked": b"\xff"}, "neither a key revocation list"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], reason: str, alice: TrustedSigners) -> None:
    fields = {"allowed_signers": alice.allowed_signers} | change
    with pytest.raises(FormatError, match=reason):
        TrustedSigners(**fields)


def test_who_is_trusted_may_name_a_successor(
    alice: TrustedSigners, successor: TrustedSigners, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    signature = sign_by_openssh(keys["ed25519"], successor.allowed_signers, "airpatch-trust")
    (signer,) = alice.require_successor(successor, signature, NOW)
    assert signer.principals == ("alice",)


@pytest.mark.parametrize(("key", "namespace"), [("other", "airpatch-trust"), ("ed25519", "airpatch")])
def test_nobody_else_may(
    key: str,
    namespace: str,
    alice: TrustedSigners,
    successor: TrustedSigners,
    keys: dict[str, Path],
    sign_by_openssh: Callable[..., bytes],
) -> None:
    signature = sign_by_openssh(keys[key], successor.allowed_signers, namespace)
    with pytest.raises(TrustError):
        alice.require_successor(successor, signature, NOW)


def test_two_signers_sign_in_one_file(
    successor: TrustedSigners, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    lines = f"alice {public(keys['ed25519'])}\nbob {public(keys['other'])}\n".encode()
    both = [sign_by_openssh(keys[key], successor.allowed_signers, "airpatch-trust") for key in ("ed25519", "other")]
    demanding = TrustedSigners(successor.allowed_signers, threshold=2)
    assert len(TrustedSigners(lines, threshold=2).require_successor(demanding, b"".join(both), NOW)) == 2
    with pytest.raises(TrustError, match="signatures of 2 principals"):
        TrustedSigners(lines, threshold=2).require_successor(demanding, both[0] * 2, NOW)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({"threshold": 2}, {}, "a lower threshold"),
        ({"principals": ("alice",)}, {}, "other principals"),
        ({"principals": ("alice",)}, {"principals": ("alice", "bob")}, "other principals"),
        ({"revoked": b"# none\n"}, {}, "other revoked keys"),
    ],
)
def test_a_signature_does_not_make_a_root_demand_less(
    before: dict[str, Any],
    after: dict[str, Any],
    reason: str,
    keys: dict[str, Path],
    sign_by_openssh: Callable[..., bytes],
) -> None:
    lines = f"alice {public(keys['ed25519'])}\nalice2 {public(keys['other'])}\n".encode()
    trusted = TrustedSigners(lines, **before)
    weaker = TrustedSigners(lines, **after)
    both = b"".join(sign_by_openssh(keys[key], lines, "airpatch-trust") for key in ("ed25519", "other"))
    with pytest.raises(TrustError, match=rf"(^| and ){reason}"):
        trusted.require_successor(weaker, both, NOW)


def test_an_index_is_signed_in_a_namespace_of_its_own(
    alice: TrustedSigners, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    (signer,) = alice.require(b"index", (sign_by_openssh(keys["ed25519"], b"index"),), NOW)
    assert signer.principals == ("alice",)
    with pytest.raises(TrustError):
        alice.require(b"index", (sign_by_openssh(keys["ed25519"], b"index", "airpatch-trust"),), NOW)
