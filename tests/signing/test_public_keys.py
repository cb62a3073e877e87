"""Keys of every kind check what they signed, and nothing else; weak and malformed keys are refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airpatch.errors import FormatError, TrustError
from airpatch.signing.public_keys import SK_ECDSA, SK_ED25519, PublicKey, parse_line
from airpatch.signing.sshsig import Signature, emit, parse, signed_data
from airpatch.signing.wire import string
from tests.signing.conftest import MESSAGE, keygen, public

KINDS = ["ed25519", "p256", "p384", "p521", "rsa"]


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def security_key(kind: str, data: bytes, flags: int = 1) -> tuple[PublicKey, bytes]:
    """What a security key would make of `data`: its public key and signature (OpenSSH, PROTOCOL.u2f)."""
    tail = bytes([flags]) + (7).to_bytes(4, "big")
    covered = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(data).digest()
    if kind == SK_ED25519:
        key = Ed25519PrivateKey.generate()
        point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        blob = string(kind.encode()) + string(point) + string(b"ssh:")
        made = key.sign(covered)
    else:
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        blob = string(kind.encode()) + string(b"nistp256") + string(point) + string(b"ssh:")
        r, s = utils.decode_dss_signature(curve.sign(covered, ec.ECDSA(hashes.SHA256())))
        made = mpint(r) + mpint(s)
    return PublicKey(blob), string(kind.encode()) + string(made) + tail


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_of_openssh_are_accepted_for_their_message_alone(
    kind: str, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    signature = parse(sign_by_openssh(keys[kind]))
    key = parse_line(public(keys[kind]))
    assert key.blob == signature.public_key
    key.verify(signature.blob, signature.signed_data(MESSAGE))
    for other in (signature.signed_data(MESSAGE + b"."), signed_data(MESSAGE, "file")):
        with pytest.raises(TrustError, match="does not fit"):
            key.verify(signature.blob, other)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_a_signature(kind: str, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]) -> None:
    signature = parse(sign_by_openssh(keys[kind]))
    with pytest.raises(FormatError):
        parse_line(public(keys[kind])).verify(signature.blob + b"\0", signature.signed_data(MESSAGE))


@pytest.mark.parametrize("kind", [SK_ED25519, SK_ECDSA])
def test_security_keys_are_accepted_here_and_by_openssh(kind: str, tmp_path: Path) -> None:
    key, blob = security_key(kind, signed_data(MESSAGE, "airpatch"))
    key.verify(blob, signed_data(MESSAGE, "airpatch"))
    (tmp_path / "sig").write_text(emit(Signature(key.blob, "airpatch", "sha512", blob)))
    (tmp_path / "allowed").write_text(f"alice {kind} {base64.b64encode(key.blob).decode()}\n")
    words = ("-Y", "verify", "-f", tmp_path / "allowed", "-I", "alice", "-n", "airpatch", "-s", tmp_path / "sig")
    assert b"Good" in keygen(*words, data=MESSAGE)
    with pytest.raises(TrustError, match="does not fit"):
        key.verify(blob, signed_data(MESSAGE + b".", "airpatch"))


@pytest.mark.parametrize("kind", [SK_ED25519, SK_ECDSA])
def test_a_security_key_must_be_touched(kind: str) -> None:
    key, blob = security_key(kind, MESSAGE, flags=0)
    with pytest.raises(TrustError, match="without being touched"):
        key.verify(blob, MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_fingerprints_are_those_of_openssh(kind: str, keys: dict[str, Path]) -> None:
    assert parse_line(public(keys[kind])).fingerprint in keygen("-l", "-f", f"{keys[kind]}.pub").decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_another_kind_of_key_is_refused(
    kind: str, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    other = parse(sign_by_openssh(keys["rsa" if kind != "rsa" else "p256"]))
    with pytest.raises(TrustError, match="of the kind"):
        parse_line(public(keys[kind])).verify(other.blob, other.signed_data(MESSAGE))


def test_sha1_signatures_are_refused(keys: dict[str, Path]) -> None:
    with pytest.raises(TrustError, match="accepted are rsa-sha2-256"):
        parse_line(public(keys["rsa"])).verify(string(b"ssh-rsa") + string(bytes(384)), MESSAGE)


def test_short_rsa_keys_are_refused(keys: dict[str, Path]) -> None:
    with pytest.raises(FormatError, match="RSA of 2048 bits; 3072 to 16384"):
        parse_line(public(keys["short-rsa"]))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not of the kind"),
        ("ssh-ed25519", "not of the kind"),
        ("ssh-ed25519 !!!", "not base64"),
        ("ssh-ed25519 " + base64.b64encode(string(b"ssh-rsa")).decode(), "stated before it"),
        ("ssh-dss " + base64.b64encode(string(b"ssh-dss")).decode(), "known are"),
        ("ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(bytes(31))).decode(), "31 bytes, not 32"),
        (
            "ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(bytes(32)) + b"x").decode(),
            "after its end",
        ),
    ],
    ids=["empty", "no key", "base64", "type", "dsa", "short", "tail"],
)
def test_malformed_keys_are_refused(line: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse_line(line)


def test_a_curve_of_another_name_and_a_point_off_the_curve_are_refused(keys: dict[str, Path]) -> None:
    kind = b"ecdsa-sha2-nistp256"
    with pytest.raises(FormatError, match="a curve that does not belong"):
        PublicKey(string(kind) + string(b"nistp384") + string(bytes(65)))
    off = PublicKey(string(kind) + string(b"nistp256") + string(b"\x04" + b"\1" * 64))
    with pytest.raises(FormatError, match="not lie on its curve"):
        off.verify(string(kind) + string(mpint(1) + mpint(1)), MESSAGE)


def test_rsa_numbers_that_are_no_key_are_refused() -> None:
    key = PublicKey(string(b"ssh-rsa") + string(mpint(2)[4:]) + mpint(1 << 3071))
    with pytest.raises(FormatError, match="RSA numbers are invalid"):
        key.verify(string(b"rsa-sha2-512") + string(bytes(384)), MESSAGE)
