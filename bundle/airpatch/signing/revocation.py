"""Revoked keys: OpenSSH's key revocation lists (PROTOCOL.krl), or public keys, one per line.

Both are what `ssh-keygen -Y verify -r FILE` takes, and the binary form is what `ssh-keygen -k` makes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from airpatch.errors import FormatError
from airpatch.signing.certificates import Certificate
from airpatch.signing.file_sizes import MAX_REVOKED
from airpatch.signing.public_keys import PublicKey, parse_line
from airpatch.signing.wire import WireReader

_MAGIC = b"SSHKRL\n\0"
_VERSION = 1
_CERTIFICATES, _KEYS, _SHA1, _SIGNATURE, _SHA256, _EXTENSION = 1, 2, 3, 4, 5, 255
_SERIALS, _SERIAL_RANGE, _SERIAL_BITMAP, _KEY_IDS, _CERTIFICATE_EXTENSION = 0x20, 0x21, 0x22, 0x23, 0x39


@dataclass(slots=True)
class _RevokedCertificates:
    """Of one authority; of any authority if `authority` is empty."""

    authority: bytes
    serials: set[int] = field(default_factory=set)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    bitmaps: list[tuple[int, int]] = field(default_factory=list)
    key_ids: set[str] = field(default_factory=set)

    def holds(self, certificate: Certificate) -> bool:
        if self.authority not in (b"", certificate.authority.blob):
            return False
        serial = certificate.serial
        by_serial = serial != 0 and (
            serial in self.serials
            or any(low <= serial <= high for low, high in self.ranges)
            or any(serial >= offset and bits >> (serial - offset) & 1 for offset, bits in self.bitmaps)
        )
        return by_serial or certificate.key_id in self.key_ids


@dataclass(slots=True)
class RevokedKeys:
    """What a revocation file holds."""

    _blobs: set[bytes] = field(default_factory=set)
    _sha1: set[bytes] = field(default_factory=set)
    _sha256: set[bytes] = field(default_factory=set)
    _certificates: list[_RevokedCertificates] = field(default_factory=list)

    def holds(self, key: PublicKey) -> bool:
        """Return whether `key` itself is revoked."""
        return (
            key.blob in self._blobs
            or hashlib.sha256(key.blob).digest() in self._sha256
            or hashlib.sha1(key.blob, usedforsecurity=False).digest() in self._sha1
        )

    def holds_certificate(self, certificate: Certificate) -> bool:
        """Return whether the certificate, its key or its authority is revoked."""
        return (
            self.holds(certificate.key)
            or self.holds(certificate.authority)
            or any(each.holds(certificate) for each in self._certificates)
        )


def parse(content: bytes) -> RevokedKeys:
    """Return the revoked keys in a file of either form. Raises FormatError."""
    if len(content) > MAX_REVOKED:
        raise FormatError(f"revoked keys of {len(content)} bytes; at most {MAX_REVOKED} are allowed")
    revoked = RevokedKeys()
    if content.startswith(_MAGIC):
        _read_list(content, revoked)
    else:
        _read_lines(content, revoked)
    return revoked


def _read_lines(content: bytes, revoked: RevokedKeys) -> None:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise FormatError("neither a key revocation list nor public keys, one per line") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                revoked._blobs.add(parse_line(line).blob)
            except FormatError as error:
                raise FormatError(f"line {number}: {error.message}") from None


def _read_list(content: bytes, revoked: RevokedKeys) -> None:
    reader = WireReader(content, "the key revocation list")
    reader.take(len(_MAGIC))
    version = reader.number(4)
    if version != _VERSION:
        raise FormatError(f"the key revocation list: has version {version}; only {_VERSION} is known")
    reader.take(3 * 8)  # number of the list, date, flags
    reader.string()  # reserved
    reader.string()  # comment
    while reader.more:
        kind, section = reader.number(1), WireReader(reader.string(), "the key revocation list")
        if kind == _CERTIFICATES:
            revoked._certificates.append(_read_certificates(section))
        elif kind in (_KEYS, _SHA1, _SHA256):
            into = {_KEYS: revoked._blobs, _SHA1: revoked._sha1, _SHA256: revoked._sha256}[kind]
            while section.more:
                into.add(section.string())
        elif kind == _EXTENSION:
            _skip_extension(section)
        elif kind != _SIGNATURE:
            raise FormatError(f"the key revocation list: has a section of the unknown kind {kind}")


def _read_certificates(reader: WireReader) -> _RevokedCertificates:
    revoked = _RevokedCertificates(reader.string())
    reader.string()  # reserved
    while reader.more:
        kind, part = reader.number(1), WireReader(reader.string(), "the key revocation list")
        if kind == _SERIALS:
            while part.more:
                revoked.serials.add(part.number(8))
        elif kind == _SERIAL_RANGE:
            revoked.ranges.append((part.number(8), part.number(8)))
        elif kind == _SERIAL_BITMAP:
            revoked.bitmaps.append((part.number(8), part.mpint()))
        elif kind == _KEY_IDS:
            while part.more:
                revoked.key_ids.add(part.text())
        elif kind == _CERTIFICATE_EXTENSION:
            _skip_extension(part)
        else:
            raise FormatError(f"the key revocation list: has certificates of the unknown kind {kind:#x}")
        part.end()
    return revoked


def _skip_extension(reader: WireReader) -> None:
    name, critical = reader.text(), reader.number(1)
    reader.string()
    reader.end()
    if critical:
        raise FormatError(f"the key revocation list: needs the extension {name!r:.60}, which is not known")
