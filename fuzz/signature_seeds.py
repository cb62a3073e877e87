"""What the target `signatures` (fuzz/targets.py) begins with, and what it asks the parsed files about.

The signatures in fixtures/signatures are by keys that nobody has; those here, by security keys and certificates, are by
a key that everybody has.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from airpatch.model.digest import Digest
from airpatch.signing import sshsig
from airpatch.signing.certificates import MAX_PRINCIPALS
from airpatch.signing.trusted import TrustedSigners
from airpatch.signing.wire import string
from airpatch.target.history import Action, Event, Outcome, Subject, emit_event
from airpatch.target.root_trust import emit_trust
from fixtures.vector_signatures import signature
from fuzz.seeds import FIXTURES, members

MESSAGE = (FIXTURES / "signatures" / "message").read_bytes()
TIME = 1_800_000_000
"""In January 2027."""
EVENT = Event(1 << 30, 0, "root", Action.APPLY, Outcome.DONE, Subject("shop", "r1", Digest.of(b"r1")), Digest.of(b""))
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _KEY.public_key().public_bytes_raw()
_PLAIN = string(b"ssh-ed25519") + string(_PUBLIC)


def signers() -> bytes:
    """Allowed signers: the keys of fixtures/signatures, security keys, and an authority."""
    kinds = (b"sk@example sk-ssh-ed25519@openssh.com", b"* cert-authority ssh-ed25519")
    own = zip(kinds, (_security_keys()[0], _PLAIN), strict=True)
    lines = (kind + b" " + base64.b64encode(blob) + b"\n" for kind, blob in own)
    return (FIXTURES / "signatures" / "allowed_signers").read_bytes() + b"".join(lines)


def signatures() -> Iterator[bytes]:
    """Armored signatures, most of them of the message."""
    for path in sorted((FIXTURES / "signatures").glob("*.sig")):
        yield path.read_bytes()
    yield signature()
    yield from members(".airpatch/index.")
    signed = sshsig.signed_data(MESSAGE, "airpatch")
    for blob in (_PLAIN, certificate(_PLAIN)):
        yield _armored(blob, string(b"ssh-ed25519") + string(_KEY.sign(signed)))
    for touched in (b"\x01", b"\x00"):  # OpenSSH, PROTOCOL.u2f
        state = touched + bytes(4)
        proof = _KEY.sign(hashlib.sha256(b"ssh:").digest() + state + hashlib.sha256(signed).digest())
        for key in _security_keys():
            yield _armored(key, string(_kind(key)) + string(proof) + state)


def certificate(
    key: bytes, kind: int = 1, options: bytes = b"", principals: int = 1, *, by: bytes = _PLAIN, proven: bool = True
) -> bytes:
    """A certificate as OpenSSH lays it out (PROTOCOL.certkeys): of a user, unless `kind` is 2."""
    name = _kind(key).removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
    numbers = (7).to_bytes(8, "big") + kind.to_bytes(4, "big") + string(b"id") + string(string(b"a@b") * principals)
    validity = bytes(8) + b"\xff" * 8 + string(options) + string(b"") + string(b"")
    signed = string(name) + string(bytes(32)) + key[4 + len(_kind(key)) :] + numbers + validity + string(by)
    proof = _KEY.sign(signed) if proven else bytes(64)
    return signed + string(string(b"ssh-ed25519") + string(proof))


def seeds() -> Iterator[tuple[str, bytes]]:
    """Files that have to do with signatures, each with the name of what reads it."""
    keys = [line.split(b" ", 1)[1] for line in (FIXTURES / "signatures" / "allowed_signers").read_bytes().splitlines()]
    blobs = [base64.b64decode(key.split()[1]) for key in keys]
    yield from (("signature", text) for text in signatures())
    yield "signers", signers()
    options = b'namespaces="airpatch",valid-after="20260101Z",valid-before="20270101",cert-authority '
    yield "signers", b"a@b,!*.c " + options + keys[0] + b" comment\n# comment\n"
    yield "revoked", b"\n".join(keys)
    yield "revoked", _revocation_list(_PLAIN, blobs)
    yield "revoked", _revocation_list(b"", [_PLAIN])
    yield from (("certificate", certificate(blob)) for blob in (*blobs, *_security_keys()))
    yield "certificate", certificate(_PLAIN, kind=2)
    yield "certificate", certificate(_PLAIN, options=b"force-command")
    yield "certificate", certificate(_PLAIN, principals=MAX_PRINCIPALS + 1)
    yield "certificate", certificate(_PLAIN, by=certificate(_PLAIN))
    yield "certificate", certificate(_PLAIN, proven=False)
    yield "trust", emit_trust(TrustedSigners(signers(), keys[0], ("a@b",), 2))
    line = emit_event(EVENT, None)
    event = Event(1 << 30, 0, None, Action.TRUST, Outcome.DONE, trust=Digest.of(b"t"), signers=("a@b",))
    yield "history", line + emit_event(event, Digest.of(line)) + b'{"airpatch":1'


def _armored(public_key: bytes, blob: bytes) -> bytes:
    return sshsig.emit(sshsig.Signature(public_key, "airpatch", "sha512", blob)).encode()


def _kind(key: bytes) -> bytes:
    return key[4 : 4 + int.from_bytes(key[:4], "big")]


def _security_keys() -> Sequence[bytes]:
    point = b"\x04" + bytes(64)
    return [
        string(b"sk-ssh-ed25519@openssh.com") + string(_PUBLIC) + string(b"ssh:"),
        string(b"sk-ecdsa-sha2-nistp256@openssh.com") + string(b"nistp256") + string(point) + string(b"ssh:"),
    ]


def _revocation_list(authority: bytes, keys: Sequence[bytes]) -> bytes:
    """A list with sections of all kinds (OpenSSH, PROTOCOL.krl)."""
    number = (7).to_bytes(8, "big")
    extension = string(b"more") + b"\0" + string(b"x")
    parts = {
        0x20: number * 2,
        0x21: number * 2,
        0x22: number + string(b"\x01\x05"),
        0x23: string(b"id"),
        0x39: extension,
    }
    certificates = (
        string(authority) + string(b"") + b"".join(bytes([kind]) + string(part) for kind, part in parts.items())
    )
    sections = {
        1: certificates,
        2: b"".join(map(string, keys)),
        3: string(bytes(20)),
        5: string(bytes(32)),
        255: extension,
    }
    head = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + string(b"") + string(b"remark")
    return head + b"".join(bytes([kind]) + string(part) for kind, part in sections.items())
