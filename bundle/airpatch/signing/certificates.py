"""OpenSSH certificates (OpenSSH, PROTOCOL.certkeys): a key, who may use it, until when, and who says so.

Only user certificates sign bundles. A certificate with a critical option is refused: each of them limits what a login
may do, and says nothing about signatures.
"""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.errors import FormatError, TrustError
from airpatch.signing.public_keys import KEY_TYPES, PublicKey, read_fields
from airpatch.signing.wire import WireReader, string

_SUFFIX = "-cert-v01@openssh.com"
_USER = 1
MAX_PRINCIPALS = 256
"""As in OpenSSH."""


def _certificate_type(key_type: str) -> str:
    return key_type.removesuffix("@openssh.com") + _SUFFIX


_TYPES = {_certificate_type(key_type): key_type for key_type in KEY_TYPES}


@dataclass(frozen=True, slots=True)
class Certificate:
    """`valid_after` and `valid_before` are seconds since 1970; the second is the first moment outside."""

    key: PublicKey
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    authority: PublicKey

    def require_valid(self, time: float) -> None:
        """Raise TrustError unless the certificate is valid at `time`, in seconds since 1970."""
        if not self.valid_after <= time < self.valid_before:
            when = "not valid yet" if time < self.valid_after else "expired"
            raise TrustError(f"the certificate {self.key_id!r:.100} is {when} by this host's clock")


def is_certificate(blob: bytes) -> bool:
    """Return whether a public key's encoding is one of a certificate. Raises FormatError if it has no type."""
    return WireReader(blob, "the public key").text() in _TYPES


def parse(blob: bytes) -> Certificate:
    """Return the user certificate in `blob`, signed by its authority. Raises FormatError, TrustError."""
    what = "the certificate"
    reader = WireReader(blob, what)
    kind_of_key = reader.text()
    if kind_of_key not in _TYPES:
        raise FormatError(f"{what} is of an unknown kind: {kind_of_key!r:.60}")
    key_type = _TYPES[kind_of_key]
    reader.string()  # nonce
    start = reader.offset
    read_fields(reader, key_type)
    key = PublicKey(string(key_type.encode()) + blob[start : reader.offset])
    serial, kind, key_id = reader.number(8), reader.number(4), reader.text()
    principals = _principals(reader.string())
    valid_after, valid_before = reader.number(8), reader.number(8)
    critical_options = reader.string()
    reader.string()  # extensions
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.offset]
    signature = reader.string()
    reader.end()
    if is_certificate(authority):
        raise FormatError(f"{what}: is signed by a certificate, which OpenSSH does not allow")
    certificate = Certificate(key, serial, key_id, principals, valid_after, valid_before, PublicKey(authority))
    certificate.authority.verify(signature, signed)
    if kind != _USER:
        raise TrustError(f"the certificate {key_id!r:.100} is for a host, not for a user")
    if critical_options:
        raise TrustError(f"the certificate {key_id!r:.100} has critical options, which say nothing about signatures")
    return certificate


def _principals(data: bytes) -> tuple[str, ...]:
    reader = WireReader(data, "the certificate")
    found: list[str] = []
    while reader.more:
        found.append(reader.text())
        if len(found) > MAX_PRINCIPALS:
            raise FormatError(f"the certificate: has more than {MAX_PRINCIPALS} principals")
    return tuple(found)
