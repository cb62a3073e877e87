"""Signatures of OpenSSH over the index (FORMAT.md, Signatures; PROTOCOL.sshsig), and whose they are."""

import base64
import fnmatch
import hashlib
import re
from contextlib import suppress

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .errors import FormatError, TrustError, Unsupported, refusing, require

MAX_SIGNATURE, NAMESPACE = 16384, b"airpatch"
_HASHES = {b"256": hashes.SHA256(), b"384": hashes.SHA384(), b"512": hashes.SHA512(), b"521": hashes.SHA512()}


def _strings(data: bytes, count: int) -> list[bytes]:
    """So many strings, each after its length, and what is left."""
    found = []
    for _ in range(count):
        end = 4 + int.from_bytes(data[:4], "big")
        require(end <= len(data), "a signature whose fields are cut short")
        found.append(data[4:end])
        data = data[end:]
    return [*found, data]


def parse(armored: bytes) -> tuple[bytes, bytes, bytes]:
    """The public key, the name of the hash, and the signature proper, in the content of a signature's member."""
    require(len(armored) <= MAX_SIGNATURE, "a signature over its limit")
    with refusing(ValueError, "a signature that is not base64"):
        blob = base64.b64decode(b"".join(armored.split(b"\n")[1:-2]), validate=True)
    lines = re.findall(b".{1,70}", base64.b64encode(blob))
    armor = [b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""]
    require(armored == b"\n".join(armor), "a signature that ssh-keygen would not write")
    require(blob[:10] == b"SSHSIG\x00\x00\x00\x01", "a signature of another version")
    key, namespace, reserved, hash_name, proper, rest = _strings(blob[10:], 5)
    require(namespace == NAMESPACE, "a signature for another namespace")
    require(not reserved and not rest, "a signature with more fields than there are")
    require(hash_name in (b"sha256", b"sha512"), "a signature of another hash")
    return key, hash_name, proper


def require_signer(message: bytes, signatures: list[bytes], allowed_signers: str) -> None:
    """Refuse a message that none of these signed."""
    for armored in signatures:
        with suppress(TrustError):
            signer(message, armored, allowed_signers)
            return
    raise TrustError("nobody who is allowed signed it")


def signer(message: bytes, armored: bytes, allowed_signers: str) -> str:
    """The principals of the first line whose key made the signature, as they stand in the line.

    Raises Unsupported for certificates, keys of security keys, and lines with times.
    """
    with refusing(FormatError, "no signature", TrustError):
        key, hash_name, proper = parse(armored)
    encoded = base64.b64encode(key).decode()
    for line in allowed_signers.splitlines():
        words = re.findall(r'(?:[^\s"]|"[^"]*")+', line)
        if not words or words[0].startswith("#") or encoded not in words:
            continue
        options = ",".join(words[1 : words.index(encoded) - 1])
        namespaces = re.search(r'namespaces="([^"]*)"', options)
        if namespaces and not any(fnmatch.fnmatchcase(NAMESPACE.decode(), one) for one in namespaces[1].split(",")):
            continue
        if "cert-authority" in options or "valid-" in options:
            raise Unsupported("lines of allowed signers with certificates or times")
        _verify(message, key, hash_name, proper)
        return str(words[0])
    raise TrustError("a signature by nobody who is allowed")


def _verify(message: bytes, encoded_key: bytes, hash_name: bytes, signature: bytes) -> None:
    fields = [NAMESPACE, b"", hash_name, hashlib.new(hash_name.decode(), message).digest()]
    signed = b"SSHSIG" + b"".join(len(one).to_bytes(4, "big") + one for one in fields)
    (name, _), (algorithm, proper, _) = _strings(encoded_key, 1), _strings(signature, 2)
    with refusing(ValueError, "a key that is none", TrustError):
        key = serialization.load_ssh_public_key(name + b" " + base64.b64encode(encoded_key))
    with refusing(InvalidSignature, "a signature of another message", TrustError):
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(proper, signed)
        elif isinstance(key, rsa.RSAPublicKey):
            require(algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"), "RSA with another hash", TrustError)
            key.verify(proper, signed, padding.PKCS1v15(), _HASHES[algorithm[-3:]])
        elif isinstance(key, ec.EllipticCurvePublicKey):
            first, second, _ = _strings(proper, 2)
            encoded = utils.encode_dss_signature(int.from_bytes(first, "big"), int.from_bytes(second, "big"))
            key.verify(encoded, signed, ec.ECDSA(_HASHES[name[-3:]]))
        else:
            raise Unsupported(f"a key of type {name.decode()}")
