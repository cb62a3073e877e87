"""Certificates that ssh-keygen made are read, checked against their authority, and limited in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import FormatError, TrustError
from airpatch.signing.certificates import MAX_PRINCIPALS, is_certificate, parse
from airpatch.signing.public_keys import ED25519, parse_line
from airpatch.signing.wire import string
from tests.signing.conftest import certify, public


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384", "p521", "rsa"])
def test_certificates_of_openssh_are_read(kind: str, keys: dict[str, Path], tmp_path: Path) -> None:
    blob = certify(keys, kind, tmp_path, "-n", "alice,bob", "-z", "12", "-V", "20260101Z:20270101Z")
    certificate = parse(blob)
    assert is_certificate(blob)
    assert certificate.key == parse_line(public(keys[kind]))
    assert certificate.authority == parse_line(public(keys["authority"]))
    assert (certificate.serial, certificate.key_id, certificate.principals) == (12, "build 7", ("alice", "bob"))
    assert certificate.valid_before - certificate.valid_after == 365 * 86400


def test_a_plain_key_is_no_certificate(keys: dict[str, Path]) -> None:
    assert not is_certificate(parse_line(public(keys["ed25519"])).blob)


def test_a_certificate_counts_within_its_time(keys: dict[str, Path], tmp_path: Path) -> None:
    certificate = parse(certify(keys, "ed25519", tmp_path, "-n", "alice", "-V", "20260101Z:20270101Z"))
    certificate.require_valid(certificate.valid_after)
    with pytest.raises(TrustError, match="not valid yet"):
        certificate.require_valid(certificate.valid_after - 1)
    with pytest.raises(TrustError, match="expired"):
        certificate.require_valid(certificate.valid_before)


def test_every_byte_is_covered_by_the_authority(keys: dict[str, Path], tmp_path: Path) -> None:
    blob = certify(keys, "ed25519", tmp_path, "-n", "alice")
    for position in range(40, len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises((FormatError, TrustError)):
            parse(bytes(changed))


@pytest.mark.parametrize(
    ("options", "reason"), [(["-h"], "for a host"), (["-O", "force-command=true"], "critical options")]
)
def test_what_is_not_for_signing_is_refused(
    options: list[str], reason: str, keys: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(TrustError, match=reason):
        parse(certify(keys, "ed25519", tmp_path, "-n", "alice", *options))


@pytest.mark.parametrize("kind", [b"", b"ssh-ed25519", b"ssh-dss-cert-v01@openssh.com"])
def test_keys_of_other_kinds_are_no_certificates(kind: bytes) -> None:
    with pytest.raises(FormatError, match="is of an unknown kind"):
        parse(len(kind).to_bytes(4, "big") + kind + bytes(100))


def made_up(authority: bytes, principals: int = 1) -> bytes:
    """A certificate whose signature nobody has made; what is refused before that is looked at."""
    names = b"".join(string(b"%d" % number) for number in range(principals))
    head = string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"nonce") + string(bytes(32))
    head += bytes(8) + (1).to_bytes(4, "big") + string(b"build 7") + string(names) + bytes(8) + b"\xff" * 8
    return head + string(b"") + string(b"") + string(b"") + string(authority) + string(b"")


def test_a_certificate_does_not_certify() -> None:
    key = string(ED25519.encode()) + string(bytes(32))
    with pytest.raises(FormatError, match="is signed by a certificate"):
        parse(made_up(made_up(key)))


def test_principals_are_as_many_as_openssh_takes() -> None:
    key = string(ED25519.encode()) + string(bytes(32))
    with pytest.raises(FormatError, match=f"more than {MAX_PRINCIPALS} principals"):
        parse(made_up(key, MAX_PRINCIPALS + 1))
    with pytest.raises(FormatError, match="the signature"):  # their number is taken
        parse(made_up(key, MAX_PRINCIPALS))
