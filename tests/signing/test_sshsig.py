"""The armored form: ssh-keygen's own comes back byte for byte, and there is no other."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.signing import MAX_SIGNATURE
from airpatch.signing.sshsig import Signature, emit, parse
from tests.signing.conftest import MESSAGE

SIGNATURES = st.builds(
    Signature, st.binary(max_size=400), st.text(max_size=20), st.sampled_from(["sha256", "sha512"]), st.binary()
)


@given(SIGNATURES)
def test_parsing_is_inverse_to_emitting(signature: Signature) -> None:
    assert parse(emit(signature).encode()) == signature


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384", "p521", "rsa"])
def test_what_openssh_writes_is_the_canonical_form(
    kind: str, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    text = sign_by_openssh(keys[kind])
    assert emit(parse(text)).encode() == text


def test_the_hash_that_openssh_names_is_used(keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]) -> None:
    signature = parse(sign_by_openssh(keys["ed25519"], MESSAGE, "airpatch", "-O", "hashalg=sha256"))
    assert signature.hash_algorithm == "sha256"
    assert b"sha256" in signature.signed_data(MESSAGE)


SAMPLE = emit(Signature(b"key", "airpatch", "sha512", b"blob")).encode()


def test_adversary_37_cut_at_every_byte_and_with_a_tail() -> None:
    for changed in (*(SAMPLE[:end] for end in range(len(SAMPLE))), SAMPLE + b"\n", SAMPLE + SAMPLE, b"\n" + SAMPLE):
        with pytest.raises(FormatError):
            parse(changed)


def test_adversary_38_every_bit_flipped() -> None:
    """A flipped bit is refused, or makes another signature: never the same one in another form."""
    good = parse(SAMPLE)
    for bit in range(8 * len(SAMPLE)):
        flipped = bytearray(SAMPLE)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(FormatError):
            assert parse(bytes(flipped)) != good


def blob(version: int = 1, reserved: bytes = b"", hash_: bytes = b"sha512", magic: bytes = b"SSHSIG") -> bytes:
    from airpatch.signing.wire import string

    body = [string(b"key"), string(b"airpatch"), string(reserved), string(hash_), string(b"blob")]
    encoded = base64.b64encode(magic + version.to_bytes(4, "big") + b"".join(body)).decode()
    lines = [encoded[start : start + 70] for start in range(0, len(encoded), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (blob(version=2), "version 2"),
        (blob(reserved=b"x"), "reserved"),
        (blob(hash_=b"md5"), "hash 'md5'"),
        (blob(magic=b"SSHSOG"), "does not begin with SSHSIG"),
        (SAMPLE.replace(b"\n", b"\r\n"), "not an armored SSH signature"),
        (SAMPLE.replace(b"\n", b"\n\n", 1), "not in the form"),
        (SAMPLE.replace(b"SIGNATURE", b"signature"), "not an armored SSH signature"),
        (b"x" * (MAX_SIGNATURE + 1), "at most 16384"),
        (b"\xff" + SAMPLE, "not an armored SSH signature"),
    ],
    ids=["version", "reserved", "hash", "magic", "crlf", "empty line", "case", "size", "not ascii"],
)
def test_other_forms_are_refused(changed: bytes, reason: str) -> None:
    assert parse(blob()) == parse(SAMPLE)
    with pytest.raises(FormatError, match=reason):
        parse(changed)
