"""The form of a signature over the index of a bundle, whoever made it: what a reader knows before it trusts anybody."""

from __future__ import annotations

from airpatch.errors import FormatError, TrustError
from airpatch.signing import NAMESPACE, sshsig
from airpatch.signing.certificates import is_certificate
from airpatch.signing.certificates import parse as parse_certificate
from airpatch.signing.public_keys import PublicKey
from airpatch.signing.sshsig import Signature


def check_signature(text: bytes) -> Signature:
    """Return an armored signature that can stand in a bundle: well-formed, in namespace `airpatch`, by a known kind of
    key.

    Whether it fits the index and whether its signer is trusted is not looked at. Raises FormatError.
    """
    signature = sshsig.parse(text)
    if signature.namespace != NAMESPACE:
        raise FormatError(f"a signature for the namespace {signature.namespace!r:.60}; sign with `-n {NAMESPACE}`")
    return signature


def key_of(text: bytes) -> PublicKey | None:
    """Return the key, or that of the certificate, which an armored signature says it is by; None if it is of a kind
    that is not accepted.

    Whether it is a signature by that key is not looked at. Raises FormatError.
    """
    blob = sshsig.parse(text).public_key
    try:
        return parse_certificate(blob).key if is_certificate(blob) else PublicKey(blob)
    except (FormatError, TrustError):
        return None
