"""Makes signatures: with a private key in a file, or with a key that an agent holds.

Not pure: it reads the key, asks for its passphrase, and talks to the agent over the socket that $SSH_AUTH_SOCK names.
"""

from __future__ import annotations

import base64
import getpass
import os
import socket
from pathlib import Path

from airpatch.errors import FormatError, TrustError, UsageError
from airpatch.signing import sshsig
from airpatch.signing.certificates import is_certificate
from airpatch.signing.public_keys import ED25519, parse_line
from airpatch.signing.sshsig import Signature
from airpatch.signing.wire import Reader, string

_MAX_KEY = 64 << 10
_MAX_ANSWER = 256 << 10
"""Bytes, as in OpenSSH's agent."""
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_RSA_SHA512 = 4


def make_signature(message: bytes, key: str | os.PathLike[str], namespace: str) -> bytes:
    """The armored signature of `message` by the private key in the file `key`, or by the agent if that is a public key.

    Raises UsageError if the file is neither, TrustError if the agent or the passphrase fails.
    """
    key_file = Path(key)
    try:
        with key_file.open("rb") as file:
            content = file.read(_MAX_KEY + 1)
    except OSError as error:
        raise UsageError(f"{key_file}: cannot be read: {error.strerror}") from None
    if len(content) > _MAX_KEY:
        raise UsageError(f"{key_file}: is too large for a key")
    data = sshsig.signed_data(message, namespace)
    if b"PRIVATE KEY-----" in content:
        public_key, blob = _sign_with_file(content, data, key_file)
    else:
        public_key = _public_key(content, key_file)
        blob = _sign_with_agent(public_key, data)
    return sshsig.emit(Signature(public_key, namespace, "sha512", blob)).encode()


def _sign_with_file(content: bytes, data: bytes, name: Path) -> tuple[bytes, bytes]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    password: bytes | None = None
    try:
        try:
            key = load_ssh_private_key(content, None)
        except (ValueError, TypeError) as error:
            if "password" not in str(error).lower() and "encrypted" not in str(error).lower():
                raise
            password = getpass.getpass(f"Passphrase of {name}: ").encode()
            key = load_ssh_private_key(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "its passphrase is wrong" if password is not None else f"is not a private key of OpenSSH ({error})"
        raise UsageError(f"{name}: {reason}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{name}: is not an Ed25519 key; give its public key to sign with the agent, or sign outside (--export)"
        )
    public_key = string(ED25519.encode()) + string(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return public_key, string(ED25519.encode()) + string(key.sign(data))


def _public_key(content: bytes, name: Path) -> bytes:
    """The key or certificate in a `.pub` file."""
    try:
        line = content.decode()
        blob = base64.b64decode(line.split()[1], validate=True)
        if not is_certificate(blob):
            parse_line(line)
    except (ValueError, IndexError, FormatError):
        raise UsageError(f"{name}: is neither a private key of OpenSSH nor a public key, for the agent") from None
    return blob


def _sign_with_agent(public_key: bytes, data: bytes) -> bytes:
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        raise UsageError("signing with a public key needs an agent: $SSH_AUTH_SOCK is not set")
    body = bytes([_SIGN_REQUEST]) + string(public_key) + string(data) + _RSA_SHA512.to_bytes(4, "big")
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(path)
            agent.sendall(string(body))
            size = int.from_bytes(_receive(agent, 4), "big")
            if size > _MAX_ANSWER:
                raise TrustError("the agent's answer is not one")
            answer = Reader(_receive(agent, size), "the agent's answer")
    except OSError as error:
        raise TrustError(f"the agent cannot be reached: {error.strerror or error}") from None
    if answer.number(1) != _SIGN_RESPONSE:
        raise TrustError("the agent refused to sign: does it hold the key? (ssh-add -L lists its keys)")
    blob = answer.string()
    answer.end()
    return blob


def _receive(agent: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = agent.recv(size - len(received))
        if not piece:
            raise TrustError("the agent hung up")
        received += piece
    return received
