"""What the target `signatures` (fuzz/targets.py) begins with, and what it asks the parsed files about.

The signatures in fixtures/signatures are by keys that nobody has; those here, by security keys and certificates, are by
a key that everybody has.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import product

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airpatch.format import canonical
from airpatch.model.digest import Digest
from airpatch.signing import sshsig
from airpatch.signing.certificates import MAX_PRINCIPALS
from airpatch.signing.trusted import TrustedSigners
from airpatch.signing.wire import string
from airpatch.target.history import Action, Event, Outcome, Subject, emit_event
from airpatch.target.root_trust import emit_trust
from fixtures.vector_signatures import signature
from fuzz.seeds import FIXTURES, NEXT, members

MESSAGE = (FIXTURES / "signatures" / "message").read_bytes()
TIME = 1_800_000_000
"""In January 2027."""
EVENT = Event(1 << 30, 0, "root", Action.APPLY, Outcome.DONE, Subject("shop", "r1", Digest.of(b"r1")), Digest.of(b""))
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _KEY.public_key().public_bytes_raw()
_PLAIN = string(b"ssh-ed25519") + string(_PUBLIC)


def signers() -> bytes:
    """Allowed signers: the keys of fixtures/signatures, security keys, and an authority."""
    own = [(b"sk@example", key) for key in _security_keys()] + [(b"curve@example", key) for key in _curves()]
    lines = [*(_line(who, key) for who, key in own), _line(b"* cert-authority", _PLAIN), _line(b"a@b,!*.c", _PLAIN)]
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
    for key in _curves():
        yield _armored(key, string(_kind(key)) + string(string(b"\x01") * 2))
    for touched in (b"\x01", b"\x00"):  # OpenSSH, PROTOCOL.u2f
        state = touched + bytes(4)
        proof = _KEY.sign(hashlib.sha256(b"ssh:").digest() + state + hashlib.sha256(signed).digest())
        for key in _security_keys()[:2]:
            yield _armored(key, string(_kind(key)) + string(proof) + state)
        yield _armored(_security_keys()[1], string(_kind(_security_keys()[1])) + string(string(b"\x01") * 2) + state)


def certified(body: bytes) -> bytes:
    """Return the signature of the message by the key of a certificate, which has that body and is signed."""
    proof = string(b"ssh-ed25519") + string(_KEY.sign(sshsig.signed_data(MESSAGE, "airpatch")))
    return _armored(body + string(string(b"ssh-ed25519") + string(_KEY.sign(body))), proof)


def chained(lines: bytes) -> bytes:
    """Return a history whose lines each name the one before, as far as they name one."""
    out, last = b"", b"null"
    for line in lines.splitlines(keepends=True):
        out += (line := re.sub(rb'(?<="previous":)(null|"[^"]*")', last, line, count=1))
        last = b'"%s"' % str(Digest.of(line)).encode()
    return out


def trust(parts: bytes) -> bytes:
    """Return a root's trust of these parts, each up to a `NEXT`: a threshold, signers, revoked keys, principals."""
    threshold, allowed, revoked, *names = (parts + 2 * NEXT).split(NEXT)
    principals = [name.decode("latin-1") for name in names if name]
    document = {"airpatch": 1, "allowed_signers": allowed, "revoked": revoked, "principals": principals}
    return canonical.pack(document | {"threshold": int.from_bytes(threshold[:2], "big")})


def certificate(
    key: bytes,
    kind: int = 1,
    options: bytes = b"",
    principals: int = 1,
    *,
    by: bytes = _PLAIN,
    proven: bool = True,
    valid: tuple[int, int] = (0, 2**64 - 1),
) -> bytes:
    """A certificate as OpenSSH lays it out (PROTOCOL.certkeys): of a user, unless `kind` is 2."""
    name = _kind(key).removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
    numbers = (7).to_bytes(8, "big") + kind.to_bytes(4, "big") + string(b"id") + string(string(b"a@b") * principals)
    validity = b"".join(time.to_bytes(8, "big") for time in valid) + string(options) + string(b"") + string(b"")
    signed = string(name) + string(bytes(32)) + key[4 + len(_kind(key)) :] + numbers + validity + string(by)
    proof = _KEY.sign(signed) if proven else bytes(64)
    return signed + string(string(b"ssh-ed25519") + string(proof))


def seeds() -> Iterator[tuple[str, bytes]]:
    """Files that have to do with signatures, each with the name of what reads it."""
    keys = [line.split(b" ", 1)[1] for line in (FIXTURES / "signatures" / "allowed_signers").read_bytes().splitlines()]
    blobs = [base64.b64decode(key.split()[1]) for key in keys]
    yield from (("signature", text) for text in signatures())
    yield "signers", signers()
    yield from (("signers", lines) for lines in _lines(blobs))
    yield "revoked", b"\n".join(keys)
    yield "revoked", _revocation_list(_PLAIN, blobs)
    yield "revoked", _revocation_list(b"", [_PLAIN])
    yield from (("certificate", certificate(blob)) for blob in (*blobs, *_security_keys()))
    yield "certificate", certificate(_PLAIN, kind=2)
    yield "certificate", certificate(_PLAIN, options=b"force-command")
    yield "certificate", certificate(_PLAIN, principals=MAX_PRINCIPALS + 1)
    yield "certificate", certificate(_PLAIN, by=certificate(_PLAIN))
    yield "certificate", certificate(_PLAIN, proven=False)
    for valid in ((0, TIME), (TIME + 1, 2**64 - 1)):
        yield "certified", _body(certificate(_PLAIN, valid=valid))
    for blob in (_PLAIN, *blobs, *_curves(), *_security_keys()):
        yield "certified", _body(certificate(blob))
    yield "certified", _body(certificate(_PLAIN, by=blobs[0]))
    yield "trust", emit_trust(TrustedSigners(signers(), keys[0], ("a@b",), 2))
    yield "trust", emit_trust(TrustedSigners(signers()))[:-1] + b"\xc3"
    for names in ((b"a@b",), (b"a@b", b"sk@example", b"rsa@example"), (b"a@b", b"a@b"), (b"%d" % n for n in range(65))):
        for threshold in (b"\0", b"\1", b"\2", b"\x11"):
            yield "trusted", NEXT.join((threshold, signers(), keys[0], *names))
    line = emit_event(EVENT, None)
    event = Event(1 << 30, 0, None, Action.TRUST, Outcome.DONE, trust=Digest.of(b"t"), signers=("a@b",))
    yield "history", line + emit_event(event, Digest.of(line)) + b'{"airpatch":1'
    subjects = (None, *(Subject(title, name, Digest.of(b"r1")) for title, name in product(_NAMES, repeat=2)))
    for subject, action in product(subjects, Action):
        name = "root" if subject is None else subject.name
        event = Event(TIME, 1000, name, action, Outcome.DONE, subject, Digest.of(b"b"), signers=(name,))
        yield "chained", line + line + emit_event(event, Digest.of(b""))
    for old, new in _CHANGES:
        yield "chained", line.replace(old, new) + line


_NAMES = ("r1", "", "\u2603", "\u202e", "\ud800", "\n", "n" * 300)
_CHANGES = (
    *((b'"uid":0', each) for each in (b'"uid":-1', b'"uid":true', b'"uid":4294967295', b'"uid":1.0', b'"uid":[]')),
    *((b'"sudo_user":"root"', each) for each in (b'"sudo_user":1', b'"sudo_user":""', b'"sudo_user":null')),
    *(
        (b'"signers":[]', each)
        for each in (b'"signers":[1]', b'"signers":{}', b'"signers":[%s]' % b",".join([b'"a"'] * 33))
    ),
    *(
        (b'"2004-01-10T13:37:04Z"', each)
        for each in (b'"2004-01-10T13:37:04"', b'"0001-01-01T00:00:00+10:00"', b'""', b"1")
    ),
    *((b'"shop"', each) for each in (b"null", b"1")),
    *((b'"sha256:', each) for each in (b'"sha512:', b'"', b'1,"')),
    *((b'"airpatch":1', each) for each in (b'"airpatch":2', b'"airpatch":null', b'"airpatch":1,"x":1')),
    (b"{", b"["),
    (b"}", b"}}"),
)
"""What is changed in an event."""


def _lines(blobs: Sequence[bytes]) -> Iterator[bytes]:
    """Files of allowed signers."""
    values = (
        b"20260101Z",
        b"20270101",
        b"20260101000000Z",
        b"203001010000",
        b"20261301",
        b"*",
        b"airpatch",
        b"x,!y",
        b"",
    )
    names = (b"namespaces", b"valid-after", b"valid-before", b"cert-authority", b"no-option")
    for blob, name in product((_PLAIN, blobs[0]), names):
        yield _line(b"a@b " + name, blob)
        for value in values:
            yield _line(b'a@b %s="%s"' % (name, value), blob)
            yield _line(b'a@b cert-authority,%s="%s"' % (name, value), blob)
    options = b'namespaces="airpatch",valid-after="20260101Z",valid-before="20270101",cert-authority'
    for principals in (b"a@b", b'"a b"', b'""', b",", b"!a@b,*", b"*,!a@b", b"a@?", b"[", b"ssh-rsa", b'"a'):
        for option in (b"", b" " + options, b" cert-authority", b' namespaces="airpatch",namespaces="a"'):
            yield _line(principals + option, _PLAIN) + b"# comment\n"
    for choices in (
        (b"a", b"a", b"a"),
        (b"a,b", b"a", b"b"),
        (b"a,b", b"a", b"a"),
        (b"a,b,c", b"a,b", b"a"),
        (b"a", b"a,b", b"b"),
    ):
        yield b"".join(map(_line, choices, [*blobs, _PLAIN][: len(choices)]))
        yield b"".join(map(_line, choices, [_PLAIN, *_security_keys()]))
    yield from (b"a@b", b"a@b ssh-ed25519", b"a@b ssh-ed25519 AAAA", b"\xff", b"# nobody")


def _line(who: bytes, key: bytes) -> bytes:
    return b"%s %s %s\n" % (who, _kind(key), base64.b64encode(key))


def _body(whole: bytes) -> bytes:
    """Return what of a certificate is signed."""
    return whole[: -4 - int.from_bytes(whole[-87:-83], "big")]


def _armored(public_key: bytes, blob: bytes) -> bytes:
    return sshsig.emit(sshsig.Signature(public_key, "airpatch", "sha512", blob)).encode()


def _kind(key: bytes) -> bytes:
    return key[4 : 4 + int.from_bytes(key[:4], "big")]


def _security_keys() -> Sequence[bytes]:
    curve = _curves()[0][4 + len(b"ecdsa-sha2-nistp256") :]
    return [
        string(b"sk-ssh-ed25519@openssh.com") + string(_PUBLIC) + string(b"ssh:"),
        string(b"sk-ecdsa-sha2-nistp256@openssh.com") + curve + string(b"ssh:"),
        string(b"sk-ecdsa-sha2-nistp256@openssh.com") + string(b"nistp256") + string(b"\x04" + bytes(64)) + string(b""),
    ]


def _curves() -> Sequence[bytes]:
    """Keys on all curves."""
    found = []
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        point = ec.derive_private_key(7, curve).public_key()
        encoded = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        name = b"nistp%d" % curve.key_size
        found.append(string(b"ecdsa-sha2-" + name) + string(name) + string(encoded))
    return found


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
