"""Signatures of OpenSSH over the index (FORMAT.md, Signatures; PROTOCOL.sshsig), and whose they are."""

import base64
import binascii
import fnmatch
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .errors import FormatError, TrustError, Unsupported, require

MAX_SIGNATURE = 16384
NAMESPACE = "airpatch"
_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{70}\n)*[A-Za-z0-9+/=]{1,70}\n)-----END SSH SIGNATURE-----\n"
)


@dataclass(frozen=True)
class Signature:
    """A signature: the public key and the signature proper in OpenSSH's form, and the name of the hash."""

    key: bytes
    hash_name: str
    proper: bytes


def _string(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    require(len(data) >= 4 and size <= len(data) - 4, "a signature whose fields are cut short")
    return data[4 : 4 + size], data[4 + size :]


def parse(armored: bytes) -> Signature:
    """Parse the content of a signature's member.

    Raises:
        FormatError: it is not as `ssh-keygen -Y sign` writes it, or for something else than a bundle.
    """
    require(len(armored) <= MAX_SIGNATURE, "a signature over its limit")
    match = _ARMOR.fullmatch(armored)
    if match is None:
        raise FormatError("no armored signature")
    text = match[1].replace(b"\n", b"")
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise FormatError("a signature that is not base64") from error
    require(base64.b64encode(blob) == text, "a signature in another base64 than the canonical one")
    require(blob[:10] == b"SSHSIG\x00\x00\x00\x01", "a signature of another version")
    key, rest = _string(blob[10:])
    namespace, rest = _string(rest)
    reserved, rest = _string(rest)
    hash_name, rest = _string(rest)
    proper, rest = _string(rest)
    require(namespace == NAMESPACE.encode() and not reserved, "a signature for another namespace")
    require(hash_name in (b"sha256", b"sha512"), "a signature of another hash")
    require(not rest, "bytes behind the fields of a signature")
    return Signature(key, hash_name.decode(), proper)


def signer(message: bytes, armored: bytes, allowed_signers: str) -> str:
    """The principals of the first line whose key made the signature, as they stand in the line.

    Raises:
        FormatError: the signature is malformed.
        TrustError: nobody who is allowed made it.
        Unsupported: a certificate, or the key of a security key, made it.
    """
    signature = parse(armored)
    encoded = base64.b64encode(signature.key).decode()
    for line in allowed_signers.splitlines():
        words = re.findall(r'(?:[^\s"]|"[^"]*")+', line)
        if not words or words[0].startswith("#") or encoded not in words:
            continue
        options = ",".join(words[1 : words.index(encoded) - 1])
        namespaces = re.search(r'namespaces="([^"]*)"', options)
        if namespaces and not any(fnmatch.fnmatchcase(NAMESPACE, one) for one in namespaces[1].split(",")):
            continue
        if "cert-authority" in options or "valid-" in options:
            raise Unsupported("lines of allowed signers with certificates or times")
        _verify(message, signature)
        return str(words[0])
    raise TrustError("a signature by nobody who is allowed")


def _verify(message: bytes, signature: Signature) -> None:
    digest = hashlib.new(signature.hash_name, message).digest()
    fields = [NAMESPACE.encode(), b"", signature.hash_name.encode(), digest]
    signed = b"SSHSIG" + b"".join(len(one).to_bytes(4, "big") + one for one in fields)
    name, rest = _string(signature.key)
    algorithm, proper = _string(signature.proper)
    proper = _string(proper)[0]
    try:
        key = serialization.load_ssh_public_key(name + b" " + base64.b64encode(signature.key))
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(proper, signed)
        elif isinstance(key, rsa.RSAPublicKey):
            if algorithm not in (b"rsa-sha2-256", b"rsa-sha2-512"):
                raise TrustError("a signature by RSA of a hash that counts for nothing")
            key.verify(proper, signed, padding.PKCS1v15(), _hash(algorithm[-3:]))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            first, rest = _string(proper)
            second = _string(rest)[0]
            encoded = utils.encode_dss_signature(int.from_bytes(first, "big"), int.from_bytes(second, "big"))
            key.verify(encoded, signed, ec.ECDSA(_hash(name[-3:])))
        else:
            raise Unsupported(f"a key of type {name.decode()}")
    except InvalidSignature as error:
        raise TrustError("a signature of another message") from error
    except ValueError as error:
        raise TrustError(f"a key that is none: {error}") from error


def _hash(bits: bytes) -> hashes.HashAlgorithm:
    return {b"256": hashes.SHA256(), b"384": hashes.SHA384()}.get(bits, hashes.SHA512())
