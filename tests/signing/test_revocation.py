"""Revoked keys: lists that `ssh-keygen -k` made, and public keys one a line, are read as ssh-keygen reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import FormatError
from airpatch.signing import certificates
from airpatch.signing.file_sizes import MAX_REVOKED
from airpatch.signing.public_keys import parse_line
from airpatch.signing.revocation import parse
from airpatch.signing.wire import string
from tests.signing.conftest import certify, keygen, public

HEAD = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + string(b"") + string(b"")


def krl(folder: Path, *words: str | Path) -> bytes:
    keygen("-q", "-k", "-f", folder / "krl", *words)
    return (folder / "krl").read_bytes()


@pytest.mark.parametrize("form", ["lines", "list", "sha1", "sha256"])
def test_keys_are_revoked(form: str, keys: dict[str, Path], tmp_path: Path) -> None:
    line = public(keys["ed25519"])
    spec = tmp_path / "spec"
    if form in ("sha1", "sha256"):
        spec.write_text(f"{form}: {line}\n")
    else:
        spec.write_text(f"# gone\n{line}\n")
    revoked = parse(spec.read_bytes() if form == "lines" else krl(tmp_path, spec))
    assert revoked.holds(parse_line(line))
    assert not revoked.holds(parse_line(public(keys["other"])))


@pytest.mark.parametrize("spec", ["serial: 12", "serial: 10-20", "serial: 1\nserial: 5\nserial: 12", "id: build 7"])
def test_certificates_are_revoked_by_serial_and_id(spec: str, keys: dict[str, Path], tmp_path: Path) -> None:
    certificate = certificates.parse(certify(keys, "ed25519", tmp_path, "-n", "alice", "-z", "12"))
    (tmp_path / "spec").write_text(f"{spec}\n")
    authority = f"{keys['authority']}.pub"
    assert parse(krl(tmp_path, "-s", authority, tmp_path / "spec")).holds_certificate(certificate)
    other = f"{keys['other']}.pub"
    assert not parse(krl(tmp_path, "-s", other, tmp_path / "spec")).holds_certificate(certificate)


@pytest.mark.parametrize("serial", [1, 0])
def test_a_serial_of_0_is_none(serial: int, keys: dict[str, Path], tmp_path: Path) -> None:
    certificate = certificates.parse(certify(keys, "ed25519", tmp_path, "-n", "alice", "-z", str(serial)))
    (tmp_path / "spec").write_text("serial: 1\n")
    revoked = parse(krl(tmp_path, "-s", f"{keys['authority']}.pub", tmp_path / "spec"))
    assert revoked.holds_certificate(certificate) is (serial != 0)


@pytest.mark.parametrize("name", ["ed25519", "authority"])
def test_a_certificate_falls_with_its_key_and_its_authority(name: str, keys: dict[str, Path], tmp_path: Path) -> None:
    certificate = certificates.parse(certify(keys, "ed25519", tmp_path, "-n", "alice"))
    assert parse(public(keys[name]).encode()).holds_certificate(certificate)
    assert not parse(public(keys["other"]).encode()).holds_certificate(certificate)


def section(kind: int, content: bytes) -> bytes:
    return HEAD + bytes([kind]) + string(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "neither a key revocation list"),
        (b"alice nonsense\n", "line 1"),
        (HEAD[:8] + (2).to_bytes(4, "big"), "version 2"),
        (section(9, b""), "unknown kind 9"),
        (section(1, string(b"") + string(b"") + b"\x50" + string(b"")), "unknown kind 0x50"),
        (section(255, string(b"x") + b"\1" + string(b"")), "extension 'x'"),
        (section(2, b"\0"), "cut short"),
        (bytes(MAX_REVOKED + 1), "at most"),
    ],
    ids=["binary", "line", "version", "section", "certificates", "critical", "cut", "large"],
)
def test_malformed_files_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse(content)


def test_an_extension_that_is_not_critical_and_signatures_are_passed_over() -> None:
    content = section(255, string(b"x") + b"\0" + string(b"")) + b"\x04" + string(b"anything")
    assert parse(content) == parse(HEAD)


def test_adversary_37_a_list_cut_anywhere_is_refused_or_shorter(keys: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "spec").write_text(public(keys["ed25519"]))
    whole = krl(tmp_path, tmp_path / "spec")
    for end in range(8, len(whole)):
        if end != len(HEAD):
            with pytest.raises(FormatError):
                parse(whole[:end])


def certificates_section(kind: int, part: bytes) -> bytes:
    return section(1, string(b"") + string(b"") + bytes([kind]) + string(part))


def test_ranges_and_bitmaps_of_serials_and_an_extension_of_certificates(keys: dict[str, Path], tmp_path: Path) -> None:
    certificate = certificates.parse(certify(keys, "ed25519", tmp_path, "-n", "alice", "-z", "12"))
    for first, last, holds in ((12, 12, True), (1, 12, True), (12, 13, True), (1, 11, False), (13, 20, False)):
        numbers = first.to_bytes(8, "big") + last.to_bytes(8, "big")
        assert parse(certificates_section(0x21, numbers)).holds_certificate(certificate) is holds
    for first, bits, holds in ((12, 1, True), (10, 4, True), (10, 2, False), (10, 8, False), (13, 1, False)):
        bitmap = first.to_bytes(8, "big") + string(bytes([bits]))
        assert parse(certificates_section(0x22, bitmap)).holds_certificate(certificate) is holds
    for kind, size in ((0x21, 16), (0x22, 13)):
        with pytest.raises(FormatError):
            parse(certificates_section(kind, bytes(size - 1) + b"\1\0"))
    extension = string(b"x") + b"\0" + string(b"")
    assert not parse(certificates_section(0x39, extension)).holds_certificate(certificate)
    with pytest.raises(FormatError, match="extension 'x'"):
        parse(certificates_section(0x39, string(b"x") + b"\1" + string(b"")))
