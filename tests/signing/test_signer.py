"""What airpatch signs, ssh-keygen accepts: with a key in a file and with an agent's."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airpatch.errors import TrustError, UsageError
from airpatch.signing import signer
from airpatch.signing.signer import make_signature
from tests.signing.conftest import MESSAGE, certify, keygen, public


def accepted(signature: bytes, allowed: str, folder: Path) -> bool:
    (folder / "sig").write_bytes(signature)
    (folder / "allowed").write_text(allowed + "\n")
    words = ("-Y", "verify", "-f", folder / "allowed", "-I", "alice", "-n", "airpatch", "-s", folder / "sig")
    return b"Good" in keygen(*words, data=MESSAGE)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of an agent without keys."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens when it has said where
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
        process.terminate()


def test_adversary_60_openssh_accepts_what_a_key_file_signs(keys: dict[str, Path], tmp_path: Path) -> None:
    signature = make_signature(MESSAGE, keys["ed25519"], "airpatch")
    assert accepted(signature, f"alice {public(keys['ed25519'])}", tmp_path)


@pytest.mark.parametrize("kind", ["ed25519", "p256", "rsa"])
def test_openssh_accepts_what_an_agent_signs(kind: str, keys: dict[str, Path], agent: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(keys[kind])], check=True)
    signature = make_signature(MESSAGE, Path(f"{keys[kind]}.pub"), "airpatch")
    assert accepted(signature, f"alice {public(keys[kind])}", tmp_path)


def test_an_agent_signs_with_a_certificate(keys: dict[str, Path], agent: Path, tmp_path: Path) -> None:
    certify(keys, "ed25519", tmp_path, "-n", "alice")
    (tmp_path / "key").write_bytes(keys["ed25519"].read_bytes())
    (tmp_path / "key").chmod(0o600)
    subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], check=True)
    signature = make_signature(MESSAGE, tmp_path / "key-cert.pub", "airpatch")
    assert accepted(signature, f"alice cert-authority {public(keys['authority'])}", tmp_path)


def test_a_key_that_the_agent_does_not_hold(keys: dict[str, Path], agent: Path) -> None:
    with pytest.raises(TrustError, match="does it hold the key"):
        make_signature(MESSAGE, Path(f"{keys['ed25519']}.pub"), "airpatch")


def test_no_agent(keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="SSH_AUTH_SOCK is not set"):
        make_signature(MESSAGE, Path(f"{keys['ed25519']}.pub"), "airpatch")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nowhere"))
    with pytest.raises(TrustError, match="cannot be reached"):
        make_signature(MESSAGE, Path(f"{keys['ed25519']}.pub"), "airpatch")


def test_a_passphrase_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key")
    monkeypatch.setattr(signer, "_TERMINAL", os.devnull)  # is there, and can be opened
    monkeypatch.setattr("getpass.getpass", lambda prompt: "secret")
    assert accepted(
        make_signature(MESSAGE, tmp_path / "key", "airpatch"), f"alice {public(tmp_path / 'key')}", tmp_path
    )
    monkeypatch.setattr("getpass.getpass", lambda prompt: "wrong")
    with pytest.raises(UsageError, match="passphrase is wrong"):
        make_signature(MESSAGE, tmp_path / "key", "airpatch")

    def nobody(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    with pytest.raises(UsageError, match="key: has a passphrase, and there is nobody to ask for it"):
        make_signature(MESSAGE, tmp_path / "key", "airpatch")


def test_a_passphrase_comes_from_standard_input_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keygen("-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key")
    monkeypatch.setattr(signer, "_TERMINAL", str(tmp_path / "none"))
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert make_signature(MESSAGE, tmp_path / "key", "airpatch")
    with pytest.raises(UsageError, match="there is nobody to ask for it"):  # it has ended
        make_signature(MESSAGE, tmp_path / "key", "airpatch")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="there is nobody to ask for it"):
        make_signature(MESSAGE, tmp_path / "key", "airpatch")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_key_files_of_other_kinds_go_through_the_agent(kind: str, keys: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="not an Ed25519 key; give its public key"):
        make_signature(MESSAGE, keys[kind], "airpatch")


def test_a_public_key_that_is_not_accepted_is_told(keys: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"nor a public key, for the agent \(.*RSA of 2048 bits"):
        make_signature(MESSAGE, Path(f"{keys['short-rsa']}.pub"), "airpatch")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither a private key"),
        (b"\xff\xfe", "neither a private key"),
        (b"ssh-ed25519 AAAA", "neither a private key"),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "not a private key of OpenSSH",
        ),
        (os.urandom(1) * 70_000, "too large"),
    ],
    ids=["empty", "binary", "half a key", "broken", "large"],
)
def test_what_is_no_key_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        make_signature(MESSAGE, tmp_path / "key", "airpatch")


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        make_signature(MESSAGE, tmp_path / "key", "airpatch")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection"),
        (b"\0\0", "closed the connection"),
        (b"\0\0\0\5\x0e\0\0", "closed the connection"),
        (b"\xff\xff\xff\xff", "answer is malformed"),
        (b"\0\0\0\1\5", "does it hold the key"),
        (b"\0\0\0\6\x0e\0\0\0\0!", "bytes after its end"),
    ],
)
def test_an_agent_that_answers_something_else(
    answer: bytes, reason: str, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "agent"))
        listening.listen()

        def reply() -> None:
            connection, _ = listening.accept()
            with connection:
                size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
                connection.recv(size, socket.MSG_WAITALL)
                connection.sendall(answer)

        agent = threading.Thread(target=reply)
        agent.start()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with pytest.raises(TrustError, match=reason):
            make_signature(MESSAGE, Path(f"{keys['ed25519']}.pub"), "airpatch")
        agent.join()
