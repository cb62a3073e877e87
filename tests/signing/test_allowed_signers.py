"""The file of allowed signers: read as ssh-keygen reads it, refused as a whole where a line is malformed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import FormatError
from airpatch.signing.allowed_signers import AllowedSigner, matches, parse
from airpatch.signing.file_sizes import MAX_ALLOWED_SIGNERS
from airpatch.signing.public_keys import parse_line
from tests.signing.conftest import public

DAY = 86400


def test_lines_are_read(keys: dict[str, Path]) -> None:
    key = public(keys["ed25519"])
    text = f"""# the release engineers
alice@example.com,bob {key} a comment
  "carol and co" namespaces="airpatch,\\"git",valid-after="19700102Z",valid-before="197001030000Z" {key}
*@example.com cert-authority {key}
"""
    value = parse_line(key)
    assert parse(text.encode()) == (
        AllowedSigner("alice@example.com,bob", value),
        AllowedSigner("carol and co", value, False, 'airpatch,"git', DAY, 2 * DAY),
        AllowedSigner("*@example.com", value, True),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("alice", "neither principals"),
        ("{key} a comment", "a public key without a principal; write its signer's name before ssh-ed25519"),
        (", {key}", "no principals"),
        ("alice nonsense {key}", "unknown option"),
        ("alice namespaces={key}", "needs a value"),
        ('alice cert-authority="x" {key}', "takes no value"),
        ('alice namespaces="a",namespaces="b" {key}', "given twice"),
        ('alice namespaces="a"{key}', "no space"),
        ('alice valid-after="tomorrow" {key}', "not a time"),
        ('alice valid-after="20261301" {key}', "not a time"),
        ('alice valid-after="202601" {key}', "not a time"),
        ("alice cert-authority, {key}", "neither an option"),
        ("alice ssh-ed25519 AAAA", "public key"),
    ],
)
def test_a_malformed_line_is_named(line: str, reason: str, keys: dict[str, Path]) -> None:
    key = public(keys["ed25519"])
    text = f"bob {key}\n{line.format(key=key)}\n"
    with pytest.raises(FormatError, match=f"line 2: .*{reason}"):
        parse(text.encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no signer"),
        (b"# x\n", "has no signer"),
        (b"\xff", "UTF-8"),
        (bytes(MAX_ALLOWED_SIGNERS + 1), "most"),
    ],
)
def test_what_is_no_file_of_signers_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse(content)


def test_times_and_namespaces_limit_a_line(keys: dict[str, Path]) -> None:
    options = 'valid-after="19700102Z",valid-before="19700103Z",namespaces="airpatch*"'
    (line,) = parse(f"alice {options} {public(keys['ed25519'])}\n".encode())
    assert [line.is_valid(time) for time in (DAY - 1, DAY, 2 * DAY, 2 * DAY + 1)] == [False, True, True, False]
    assert line.allows_namespace("airpatch")
    assert not line.allows_namespace("git")


@pytest.mark.parametrize(
    ("text", "patterns", "expected"),
    [
        ("alice", "alice", True),
        ("alice", "bob,alice", True),
        ("alice", "al*", True),
        ("alice", "alic?", True),
        ("alice", "!alice,*", False),
        ("alice", "*,!alice", False),
        ("alice", "!bob", False),
        ("alice", "Alice", False),
        ("a[b]", "a[b]", True),
        ("ab", "a[b]", False),
        ("", "*", True),
    ],
)
def test_patterns_match_as_in_openssh(text: str, patterns: str, expected: bool) -> None:
    assert matches(text, patterns) is expected
