"""Makes signatures: with a private key in a file, or with a key that an agent holds.

Not pure: it reads the key, asks for its passphrase, and talks to the agent over the socket that $SSH_AUTH_SOCK names.
"""

from __future__ import annotations

import base64
import getpass
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from airpatch.errors import FormatError, TrustError, UsageError, unreadable
from airpatch.linux import read_start
from airpatch.signing import sshsig
from airpatch.signing.certificates import is_certificate
from airpatch.signing.policy import Sign
from airpatch.signing.public_keys import ED25519, parse_line
from airpatch.signing.sshsig import Signature
from airpatch.signing.wire import WireReader, string

_MAX_KEY = 64 << 10
_MAX_ANSWER = 256 << 10
"""Bytes, as in OpenSSH's agent."""
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_RSA_SHA512 = 4
_TERMINAL = "/dev/tty"


def make_signature(message: bytes, key: str | os.PathLike[str], namespace: str) -> bytes:
    """Return the armored signature of `message` by `key`. Raises what `open_key` and its result raise."""
    return open_key(key)(message, namespace)


def open_key(key: str | os.PathLike[str]) -> Sign:
    """Signs with the private key in the file `key`, or with the one that an agent holds if that is a public key.

    A passphrase is asked for here. Raises UsageError if the file is neither, or no agent is there; calling the result
    raises TrustError if the agent refuses.
    """
    key_file = Path(key)
    try:
        content = read_start(key_file, _MAX_KEY + 1)
    except OSError as error:
        raise unreadable(str(key_file), error) from None
    if len(content) > _MAX_KEY:
        raise UsageError(f"{key_file}: is too large for a key")
    if b"PRIVATE KEY-----" in content:
        public_key, sign = _key_in_file(content, key_file)
    else:
        public_key = _public_key(content, key_file)
        sign = partial(_sign_with_agent, _agent_path(), public_key)

    def make(message: bytes, namespace: str) -> bytes:
        blob = sign(sshsig.signed_data(message, namespace))
        return sshsig.emit(Signature(public_key, namespace, "sha512", blob)).encode()

    return make


def _key_in_file(content: bytes, name: Path) -> tuple[bytes, Callable[[bytes], bytes]]:
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
            password = _passphrase(name)
            key = load_ssh_private_key(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "its passphrase is wrong" if password is not None else f"is not a private key of OpenSSH ({error})"
        raise UsageError(f"{name}: {reason}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{name}: is not an Ed25519 key; give its public key to sign with the agent, or sign outside (--export)"
        )
    public_key = string(ED25519.encode()) + string(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return public_key, lambda data: string(ED25519.encode()) + string(key.sign(data))


def _passphrase(name: Path) -> bytes:
    """Ask for the passphrase of a key at the terminal, or read it from standard input where there is none."""
    try:
        # Without a terminal `getpass` would prompt on stderr, and warn that the passphrase can be seen.
        return (getpass.getpass(f"Passphrase of {name}: ") if _has_terminal() else input()).encode()
    except (EOFError, RuntimeError):  # the latter if standard input is closed
        raise UsageError(
            f"{name}: has a passphrase, and there is nobody to ask for it: give its public key to sign with the agent"
        ) from None


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _public_key(content: bytes, name: Path) -> bytes:
    """Return the key or certificate in a `.pub` file."""
    try:
        line = content.decode()
        blob = base64.b64decode(line.split()[1], validate=True)
        if not is_certificate(blob):
            parse_line(line)
    except (ValueError, IndexError, FormatError) as error:
        why = f" ({error.message})" if isinstance(error, FormatError) else ""
        raise UsageError(f"{name}: is neither a private key of OpenSSH nor a public key, for the agent{why}") from None
    return blob


def _agent_path() -> str:
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        raise UsageError("signing with a public key needs an agent: $SSH_AUTH_SOCK is not set")
    return path


def _sign_with_agent(path: str, public_key: bytes, data: bytes) -> bytes:
    body = bytes([_SIGN_REQUEST]) + string(public_key) + string(data) + _RSA_SHA512.to_bytes(4, "big")
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(path)
            agent.sendall(string(body))
            size = int.from_bytes(_receive(agent, 4), "big")
            if size > _MAX_ANSWER:
                raise TrustError("the agent's answer is malformed")
            answer = WireReader(_receive(agent, size), "the agent's answer")
    except OSError as error:
        raise TrustError(f"the agent cannot be reached: {error.strerror or error}") from None
    try:
        if answer.number(1) != _SIGN_RESPONSE:
            raise TrustError("the agent refused to sign: does it hold the key? (ssh-add -L lists its keys)")
        blob = answer.string()
        answer.end()
    except FormatError as error:
        raise TrustError(error.message) from None
    return blob


def _receive(agent: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = agent.recv(size - len(received))
        if not piece:
            raise TrustError("the agent closed the connection")
        received += piece
    return received
