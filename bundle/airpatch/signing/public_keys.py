"""Public keys as OpenSSH encodes them, and the check of what they signed.

Known are Ed25519 (RFC 8709), ECDSA on the curves of NIST (RFC 5656), RSA of 3072 bits and more with SHA-2 (RFC 8332),
and the two kinds of security keys (OpenSSH, PROTOCOL.u2f). SHA-1 signatures (`ssh-rsa`) and DSA are refused. A security
key must have been touched for the signature.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from airpatch.errors import FormatError, TrustError
from airpatch.signing.wire import WireReader

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
ECDSA = {f"ecdsa-sha2-{curve}": curve for curve in ("nistp256", "nistp384", "nistp521")}
KEY_TYPES = (ED25519, *ECDSA, RSA, SK_ED25519, SK_ECDSA)
_NAMES = {ED25519: "ED25519", RSA: "RSA", SK_ED25519: "ED25519-SK", SK_ECDSA: "ECDSA-SK"}

MIN_RSA_BITS = 3072
MAX_RSA_BITS = 16384
"""As in OpenSSH; larger numbers only cost time."""

_RSA_HASHES = {"rsa-sha2-256": "SHA256", "rsa-sha2-512": "SHA512"}
_USER_PRESENT = 0x01


@dataclass(frozen=True)
class PublicKey:
    """A key that is no certificate, in the encoding that `blob` holds. Equal blobs are equal keys."""

    blob: bytes

    def __post_init__(self) -> None:
        self._fields  # noqa: B018 - a key that cannot be read must not exist

    @cached_property
    def type(self) -> str:
        """One of KEY_TYPES."""
        return WireReader(self.blob, "the public key").text()

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh-keygen -l prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        """`SHA256:... (ED25519)`: the fingerprint, and the kind as ssh-keygen -l names it."""
        return f"{self.fingerprint} ({_NAMES.get(self.type, 'ECDSA')})"

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise TrustError unless `signature`, in OpenSSH's encoding, is one of `data` by this key.

        Raises FormatError if it is malformed.
        """
        from cryptography.exceptions import InvalidSignature

        reader = WireReader(signature, "the signature")
        algorithm = reader.text()
        try:
            if self.type == RSA:
                self._verify_rsa(algorithm, reader, data)
            elif algorithm != self.type:
                raise TrustError(f"a signature of the kind {algorithm!r:.60} by a key of the kind {self.type}")
            elif self.type == ED25519:
                self._verify_ed25519(reader, data)
            elif self.type in ECDSA:
                self._verify_ecdsa(WireReader(reader.string(), "the signature"), data)
                reader.end()
            else:
                self._verify_security_key(reader, data)
        except InvalidSignature:
            raise TrustError(f"the signature by {self.fingerprint} does not fit what is signed") from None

    def _verify_ed25519(self, reader: WireReader, data: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        signature = reader.string()
        reader.end()
        Ed25519PublicKey.from_public_bytes(self._fields[0]).verify(signature, data)

    def _verify_ecdsa(self, reader: WireReader, data: bytes) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        r, s = reader.mpint(), reader.mpint()
        reader.end()
        key = self._curve_key
        bits = key.curve.key_size
        hash_ = hashes.SHA256() if bits <= 256 else hashes.SHA384() if bits <= 384 else hashes.SHA512()
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hash_))

    def _verify_rsa(self, algorithm: str, reader: WireReader, data: bytes) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        if algorithm not in _RSA_HASHES:
            raise TrustError(f"an RSA signature of the kind {algorithm!r:.60}; accepted are {', '.join(_RSA_HASHES)}")
        signature = reader.string()
        reader.end()
        hash_ = getattr(hashes, _RSA_HASHES[algorithm])()
        self._rsa_key.verify(signature, data, PKCS1v15(), hash_)

    def _verify_security_key(self, reader: WireReader, data: bytes) -> None:
        """What a security key signs is the application, its flags and counter, and the hash of the data."""
        signature = reader.string()
        flags, counter = reader.take(1), reader.take(4)
        reader.end()
        if not flags[0] & _USER_PRESENT:
            raise TrustError(f"the security key {self.fingerprint} signed without being touched")
        application = self._fields[-1]
        covered = hashlib.sha256(application).digest() + flags + counter + hashlib.sha256(data).digest()
        if self.type == SK_ED25519:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            Ed25519PublicKey.from_public_bytes(self._fields[0]).verify(signature, covered)
        else:
            self._verify_ecdsa(WireReader(signature, "the signature"), covered)

    @cached_property
    def _curve_key(self) -> EllipticCurvePublicKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        curves = {b"nistp256": ec.SECP256R1(), b"nistp384": ec.SECP384R1(), b"nistp521": ec.SECP521R1()}
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(curves[self._fields[0]], self._fields[1])
        except ValueError:
            raise FormatError("the public key: its point does not lie on its curve") from None

    @cached_property
    def _rsa_key(self) -> RSAPublicKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

        exponent, modulus = (int.from_bytes(field, "big") for field in self._fields)
        try:
            return RSAPublicNumbers(exponent, modulus).public_key()
        except ValueError:
            raise FormatError("the public key: its RSA numbers are invalid") from None

    @cached_property
    def _fields(self) -> tuple[bytes, ...]:
        """The fields after the type, with the checks that are cheap. Raises FormatError."""
        reader = WireReader(self.blob, "the public key")
        fields = read_fields(reader, reader.text())
        reader.end()
        return fields


def read_fields(reader: WireReader, key_type: str) -> tuple[bytes, ...]:
    """Return the fields of a public key of the type `key_type`, as keys and certificates have them. Raises
    FormatError.
    """
    if key_type in (ED25519, SK_ED25519):
        fields = (reader.string(),) if key_type == ED25519 else (reader.string(), reader.string())
        if len(fields[0]) != 32:
            raise FormatError(f"the public key: has {len(fields[0])} bytes, not 32")
        return fields
    if key_type in ECDSA or key_type == SK_ECDSA:
        curve, point = reader.string(), reader.string()
        if curve.decode("latin-1") != ECDSA.get(key_type, "nistp256"):
            raise FormatError(f"the public key: a curve that does not belong to {key_type}")
        return (curve, point) if key_type in ECDSA else (curve, point, reader.string())
    if key_type == RSA:
        exponent, modulus = reader.mpint(), reader.mpint()
        if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
            bits = modulus.bit_length()
            raise FormatError(f"the public key: RSA of {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
        return tuple(n.to_bytes(n.bit_length() // 8 + 1, "big") for n in (exponent, modulus))
    raise FormatError(f"the public key: of the kind {key_type!r:.60}; known are {', '.join(KEY_TYPES)}")


def parse_line(text: str) -> PublicKey:
    """Return the key in a line of a `.pub` file: type, base64, comment. Raises FormatError."""
    kind, encoded = (*text.split(maxsplit=2), "", "")[:2]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise FormatError("a public key that is not base64") from None
    if not blob or WireReader(blob, "the public key").text() != kind:
        raise FormatError(f"a public key that is not of the kind {kind!r:.60} stated before it")
    return PublicKey(blob)
