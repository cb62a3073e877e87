"""Files that say whom to trust: what is wrong with one is told with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch.errors import FormatError, UsageError
from airpatch.operations.trusted_files import read_limited

SIGNERS = "somebody@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"


def test_a_malformed_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "signers"
    file.write_text("# none so far\nsomebody@example.com no-key\n")
    with pytest.raises(FormatError, match=rf"^{file}: line 2"):
        airpatch.trusted_signers(file)


def test_a_key_is_no_list_of_signers(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(FormatError, match="key: is a key or a signature, where a file of allowed signers is expected"):
        airpatch.trusted_signers(tmp_path / "key")


def test_malformed_revocations_are_named(tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(SIGNERS)
    (tmp_path / "revoked").write_bytes(b"SSHKRL\n\0 cut short")
    with pytest.raises(FormatError, match=rf"^{tmp_path / 'revoked'}: "):
        airpatch.trusted_signers(tmp_path / "signers", revoked=tmp_path / "revoked")


@pytest.mark.parametrize(
    ("lines", "principals", "threshold", "possible"),
    [
        (SIGNERS, (), 0, False),
        (SIGNERS, (), 2, False),
        (SIGNERS.replace(" ", ",other@example.com ", 1), (), 2, False),
        (SIGNERS + SIGNERS, (), 2, False),
        (SIGNERS + SIGNERS.replace("HR4f", "HR4e"), (), 2, False),
        (SIGNERS + SIGNERS.replace("some", "any").replace("HR4f", "HR4e"), (), 2, True),
        (SIGNERS + SIGNERS.replace("some", "any").replace("HR4f", "HR4e"), ("anybody@example.com",), 2, False),
        (SIGNERS, ("sombody@example.com",), 1, False),
        (SIGNERS.replace("some", "*"), ("somebody@example.com",), 1, True),
        (SIGNERS.replace(" ", " cert-authority ", 1), (), 3, True),
        (SIGNERS.replace(" ", " cert-authority ", 1), ("a", "b"), 3, False),
    ],
)
def test_a_demand_that_nothing_could_satisfy_is_refused(
    tmp_path: Path, lines: str, principals: tuple[str, ...], threshold: int, possible: bool
) -> None:
    file = tmp_path / "signers"
    file.write_text(lines)
    if possible:
        assert airpatch.trusted_signers(file, principals=principals, threshold=threshold).threshold == threshold
        return
    with pytest.raises(UsageError, match=r"no bundle could be accepted|must be from 1"):
        airpatch.trusted_signers(file, principals=principals, threshold=threshold)


def test_a_file_that_is_missing_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_limited(tmp_path / "file", 10)
    (tmp_path / "file").write_bytes(bytes(11))
    with pytest.raises(UsageError, match="has more than 10 bytes"):
        read_limited(tmp_path / "file", 10)
    (tmp_path / "file").write_bytes(bytes(10))
    assert read_limited(tmp_path / "file", 10) == bytes(10)
