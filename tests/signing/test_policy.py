"""Whose signatures suffice: each way in which one must not count, and ssh-keygen's verdict beside ours."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from airpatch.errors import TrustError
from airpatch.signing import MAX_SIGNATURES, allowed_signers, revocation
from airpatch.signing.policy import Policy
from airpatch.signing.wire import string
from tests.signing.conftest import MESSAGE, certify, public

NOW = 1_800_000_000
"""In January 2027."""


def policy(allowed: str, revoked: bytes = b"", principals: Sequence[str] = (), threshold: int = 1) -> Policy:
    return Policy(allowed_signers.parse(allowed.encode()), revocation.parse(revoked), tuple(principals), threshold)


@pytest.fixture(scope="session")
def lines(keys: dict[str, Path]) -> dict[str, str]:
    return {name: public(path) for name, path in keys.items()}


@pytest.fixture(scope="session")
def signed(keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]) -> dict[str, bytes]:
    """Signatures of the message by some of the keys."""
    return {name: sign_by_openssh(keys[name]) for name in ("ed25519", "other", "p256", "rsa")}


def test_an_allowed_signer_suffices(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    (signer,) = policy(f"alice {lines['ed25519']}").require(MESSAGE, [signed["ed25519"]], NOW)
    assert signer.principals == ("alice",)
    assert signer.fingerprint.startswith("SHA256:")
    assert "alice (SHA256:" in str(signer)


def test_adversary_1_an_unsigned_message_is_refused(lines: dict[str, str]) -> None:
    with pytest.raises(TrustError, match="is not signed; a signature by alice is required"):
        policy(f"alice {lines['ed25519']}", principals=["alice"]).require(MESSAGE, [], NOW)


def test_adversary_2_another_key_and_another_namespace(
    lines: dict[str, str], keys: dict[str, Path], signed: dict[str, bytes], sign_by_openssh: Callable[..., bytes]
) -> None:
    rule = policy(f"alice {lines['ed25519']}")
    with pytest.raises(TrustError) as caught:
        rule.require(MESSAGE, [signed["other"], sign_by_openssh(keys["ed25519"], MESSAGE, "file")], NOW)
    assert "not among the allowed signers" in caught.value.findings[0]
    assert "for the namespace 'file'" in caught.value.findings[1]


def test_adversary_3_a_signature_of_another_message(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    with pytest.raises(TrustError) as caught:
        policy(f"alice {lines['ed25519']}").require(MESSAGE + b"!", [signed["ed25519"]], NOW)
    assert "does not fit" in caught.value.findings[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ('valid-before="20260101Z"', "not valid at this time by this host's clock"),
        ('valid-after="20280101Z"', "not valid at this time by this host's clock"),
        ('namespaces="git"', "not allowed for the namespace"),
        ("cert-authority", "not among the allowed signers"),
    ],
)
def test_options_limit_a_signer(options: str, reason: str, lines: dict[str, str], signed: dict[str, bytes]) -> None:
    with pytest.raises(TrustError) as caught:
        policy(f"alice {options} {lines['ed25519']}").require(MESSAGE, [signed["ed25519"]], NOW)
    assert reason in caught.value.findings[0]


def test_a_revoked_key_counts_no_more(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    with pytest.raises(TrustError) as caught:
        policy(f"alice {lines['ed25519']}", lines["ed25519"].encode()).require(MESSAGE, [signed["ed25519"]], NOW)
    assert "is revoked" in caught.value.findings[0]


def test_principals_are_asked_for(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    allowed = f"alice {lines['ed25519']}\n*@example.com {lines['other']}\n"
    everybody = [signed["ed25519"], signed["other"]]
    found = policy(allowed, principals=["bob@example.com"]).require(MESSAGE, everybody, NOW)
    assert [signer.principals for signer in found] == [("bob@example.com",)]
    with pytest.raises(TrustError) as caught:
        policy(allowed, principals=["carol"]).require(MESSAGE, everybody, NOW)
    assert len(caught.value.findings) == 2


def test_a_threshold_counts_different_principals(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    everybody = list(signed.values())
    allowed = "".join(f"{who} {lines[key]}\n" for who, key in [("a", "ed25519"), ("b", "other"), ("a", "p256")])
    assert len(policy(allowed, threshold=2).require(MESSAGE, everybody, NOW)) == 3
    with pytest.raises(TrustError, match="but 2 of its 4 signatures count\n"):
        policy(allowed, threshold=3).require(MESSAGE, everybody, NOW)
    with pytest.raises(TrustError):
        policy(allowed, threshold=2).require(MESSAGE, [signed["ed25519"]] * 2, NOW)


def test_patterns_that_exclude_are_no_principals(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    rule = policy(f"!bob,,alice {lines['ed25519']}")
    assert rule.require(MESSAGE, [signed["ed25519"]], NOW)[0].principals == ("alice",)


def test_a_line_with_two_principals_is_one_of_them(lines: dict[str, str], signed: dict[str, bytes]) -> None:
    allowed = f"a,b {lines['ed25519']}\na {lines['other']}\n"
    both = [signed["ed25519"], signed["other"]]
    assert len(policy(allowed, threshold=2).require(MESSAGE, both, NOW)) == 2
    with pytest.raises(TrustError):
        policy(f"a,b {lines['ed25519']}", threshold=2).require(MESSAGE, [signed["ed25519"]], NOW)


def sign_with_certificate(
    keys: dict[str, Path], folder: Path, sign_by_openssh: Callable[..., bytes], *options: str
) -> bytes:
    certify(keys, "ed25519", folder, *options)
    (folder / "key").write_bytes(keys["ed25519"].read_bytes())
    (folder / "key").chmod(0o600)
    (folder / "key.pub").write_bytes((folder / "key-cert.pub").read_bytes())
    return sign_by_openssh(folder / "key")


def test_a_certificate_of_an_authority_suffices(
    keys: dict[str, Path], lines: dict[str, str], tmp_path: Path, sign_by_openssh: Callable[..., bytes]
) -> None:
    text = sign_with_certificate(keys, tmp_path, sign_by_openssh, "-n", "alice@example.com,bob")
    rule = policy(f"*@example.com cert-authority {lines['authority']}")
    assert rule.require(MESSAGE, [text], NOW)[0].principals == ("alice@example.com",)
    for refused, reason in (
        (f"carol cert-authority {lines['authority']}", "none of the demanded principals"),
        (f"*@example.com {lines['authority']}", "not among the allowed signers"),
    ):
        with pytest.raises(TrustError) as caught:
            policy(refused).require(MESSAGE, [text], NOW)
        assert reason in caught.value.findings[0]
    with pytest.raises(TrustError) as caught:
        policy(f"* cert-authority {lines['authority']}", lines["authority"].encode()).require(MESSAGE, [text], NOW)
    assert "certificate 'build 7' is revoked" in caught.value.findings[0]


def test_an_expired_certificate_counts_no_more(
    keys: dict[str, Path], lines: dict[str, str], tmp_path: Path, sign_by_openssh: Callable[..., bytes]
) -> None:
    options = ["-n", "alice", "-V", "20260101Z:20260201Z"]
    text = sign_with_certificate(keys, tmp_path, sign_by_openssh, *options)
    with pytest.raises(TrustError) as caught:
        policy(f"alice cert-authority {lines['authority']}").require(MESSAGE, [text], NOW)
    assert "expired by this host's clock" in caught.value.findings[0]


CASES = {
    "plain": ("alice {ed25519}", "ed25519", ""),
    "another key": ("alice {other}", "ed25519", ""),
    "namespace": ('alice namespaces="git" {ed25519}', "ed25519", ""),
    "namespaces": ('alice namespaces="git,airpatch" {ed25519}', "ed25519", ""),
    "not yet": ('alice valid-after="20280101Z" {ed25519}', "ed25519", ""),
    "in time": ('alice valid-after="20260101Z",valid-before="20280101Z" {p256}', "p256", ""),
    "negated": ("!alice,* {ed25519}", "ed25519", ""),
    "pattern": ("al?ce {rsa}", "rsa", ""),
    "revoked": ("alice {ed25519}", "ed25519", "{ed25519}"),
    "other revoked": ("alice {ed25519}", "ed25519", "{other}"),
    "authority alone": ("alice cert-authority {ed25519}", "ed25519", ""),
    "second line": ("alice {other}\nalice {ed25519}", "ed25519", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_openssh(
    case: str, lines: dict[str, str], signed: dict[str, bytes], tmp_path: Path
) -> None:
    allowed, kind, revoked = (text.format(**lines) for text in CASES[case])
    try:
        policy(allowed, revoked.encode(), ["alice"]).require(MESSAGE, [signed[kind]], NOW)
        ours = True
    except TrustError:
        ours = False
    for name, content in [("allowed", allowed.encode()), ("sig", signed[kind]), ("revoked", revoked.encode())]:
        (tmp_path / name).write_bytes(content)
    words = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        "allowed",
        "-I",
        "alice",
        "-n",
        "airpatch",
        "-s",
        "sig",
        "-r",
        "revoked",
    ]
    words += ["-O", "verify-time=20270115080000Z"]
    theirs = subprocess.run(words, cwd=tmp_path, input=MESSAGE, capture_output=True, check=False).returncode == 0
    assert ours is theirs


@pytest.mark.parametrize(
    ("allowed", "principals", "most"),
    [
        ("a {ed25519}\nb {other}", [], 2),
        ("a,b {ed25519}", [], 1),
        ("a,b {ed25519}\na {ed25519}\nb {other}", [], 2),
        ("*@example.com {ed25519}\nb {other}", ["x@example.com"], 1),
        ("!a,b {ed25519}", [], 1),
        ("a {ed25519}", ["b"], 0),
        ("* cert-authority {authority}", [], None),
        ("* cert-authority {authority}", ["a", "b"], 2),
    ],
)
def test_how_many_can_have_signed_at_most(
    allowed: str, principals: list[str], most: int | None, lines: dict[str, str]
) -> None:
    assert policy(allowed.format(**lines), principals=principals).most_principals() == most


@pytest.mark.parametrize(("revoked", "all_are"), [("{ed25519}", False), ("{ed25519}\n{other}\n{authority}", True)])
def test_whether_all_keys_are_revoked(revoked: str, all_are: bool, lines: dict[str, str]) -> None:
    allowed = "a {ed25519}\nb {other}\n* cert-authority {authority}"
    assert policy(allowed.format(**lines), revoked.format(**lines).encode()).revokes_all() is all_are


def test_any_number_of_keys_may_share_principals() -> None:
    """Each key could give its principal to the one before it: such a chain is as long as the file."""
    keys = [string(b"ssh-ed25519") + string(number.to_bytes(32, "big")) for number in range(2000)]
    names = [f"p{number},p{number + 1}" for number in range(len(keys) - 1)] + ["p0"]
    allowed = "\n".join(
        f"{each} ssh-ed25519 {base64.b64encode(key).decode()}" for each, key in zip(names, keys, strict=True)
    )
    assert policy(allowed).most_principals() == MAX_SIGNATURES
