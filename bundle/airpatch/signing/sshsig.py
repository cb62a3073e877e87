"""The format of a detached SSH signature (OpenSSH, PROTOCOL.sshsig), armored as `ssh-keygen -Y sign` writes it.

A signature has one armored form: `parse(text)` refuses what `emit` would have written otherwise, so that nothing can
be hidden in the file. The key and the signature proper stay bytes here; `public_keys` understands them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from airpatch.errors import FormatError
from airpatch.signing import MAX_SIGNATURE
from airpatch.signing.wire import WireReader, string

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LINE = 70
"""Characters of a line of base64, as OpenSSH breaks them."""
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Signature:
    """`public_key` is a key or a certificate as OpenSSH encodes it, `blob` what its algorithm made."""

    public_key: bytes
    namespace: str
    hash_algorithm: str
    blob: bytes

    def signed_data(self, message: bytes) -> bytes:
        """Return the bytes over which `blob` must be a signature if it is one of `message`."""
        return signed_data(message, self.namespace, self.hash_algorithm)


def signed_data(message: bytes, namespace: str, hash_algorithm: str = "sha512") -> bytes:
    """Return what a signer signs: the hash of the message, bound to the namespace."""
    digest = _digest(message, hash_algorithm)
    return _MAGIC + string(namespace.encode()) + string(b"") + string(hash_algorithm.encode()) + string(digest)


@lru_cache(maxsize=2)
def _digest(message: bytes, hash_algorithm: str) -> bytes:
    """Hash `message` once for all signatures over it: an index of 3 MiB may have sixteen."""
    return _HASHES[hash_algorithm](message).digest()


def emit(signature: Signature) -> str:
    """Return the armored text of `signature`, lines of 70 characters and a newline at the end."""
    blob = b"".join(
        [
            _MAGIC,
            _VERSION.to_bytes(4, "big"),
            string(signature.public_key),
            string(signature.namespace.encode()),
            string(b""),
            string(signature.hash_algorithm.encode()),
            string(signature.blob),
        ]
    )
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def parse(text: bytes) -> Signature:
    """Return the signature in the armored `text`. Raises FormatError unless it is the very form that `emit` gives."""
    if len(text) > MAX_SIGNATURE:
        raise FormatError(f"a signature of {len(text)} bytes; at most {MAX_SIGNATURE} are allowed")
    try:
        first, *lines, last, rest = text.decode("ascii").split("\n")
        if (first, last, rest) != (_BEGIN, _END, ""):
            raise ValueError
        signature = _from_blob(base64.b64decode("".join(lines), validate=True))
    except (ValueError, binascii.Error):
        raise FormatError("not an armored SSH signature as `ssh-keygen -Y sign` writes it") from None
    if emit(signature).encode() != text:
        raise FormatError("an SSH signature that is not in the form in which `ssh-keygen -Y sign` writes it")
    return signature


def _from_blob(blob: bytes) -> Signature:
    reader = WireReader(blob, "the signature")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise FormatError("the signature does not begin with SSHSIG")
    version = reader.number(4)
    if version != _VERSION:
        raise FormatError(f"the signature has version {version} of its format; only {_VERSION} is known")
    public_key, namespace, reserved, hash_algorithm, signature = (
        reader.string(),
        reader.text(),
        reader.string(),
        reader.text(),
        reader.string(),
    )
    reader.end()
    if reserved:
        raise FormatError("the signature uses a field that is reserved")
    if hash_algorithm not in _HASHES:
        raise FormatError(f"the signature uses the hash {hash_algorithm!r:.40}; known are {', '.join(_HASHES)}")
    return Signature(public_key, namespace, hash_algorithm, signature)
