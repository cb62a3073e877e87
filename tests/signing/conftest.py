"""Keys and signatures made by Debian's ssh-keygen, which airpatch is tested against both ways."""

from __future__ import annotations

import atexit
import base64
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

MESSAGE = b"the index of a bundle"


def keygen(*words: str | Path, data: bytes = b"") -> bytes:
    """Run ssh-keygen and return what it prints."""
    return subprocess.run(["ssh-keygen", *map(str, words)], input=data, capture_output=True, check=True).stdout


@cache
def prepare() -> dict[str, Path]:
    """Make the keys, in a folder that goes away with the process. It takes seconds: tests.mutants does it once."""
    folder = Path(tempfile.mkdtemp(prefix="airpatch-keys-"))
    atexit.register(shutil.rmtree, folder)
    kinds = {
        "ed25519": ["-t", "ed25519"],
        "other": ["-t", "ed25519"],
        "authority": ["-t", "ed25519"],
        "p256": ["-t", "ecdsa", "-b", "256"],
        "p384": ["-t", "ecdsa", "-b", "384"],
        "p521": ["-t", "ecdsa", "-b", "521"],
        "rsa": ["-t", "rsa", "-b", "3072"],
        "short-rsa": ["-t", "rsa", "-b", "2048"],
    }
    for name, words in kinds.items():
        keygen("-q", "-N", "", "-C", name, *words, "-f", folder / name)
    return {name: folder / name for name in kinds}


@pytest.fixture(scope="session")
def keys() -> dict[str, Path]:
    """Private key files by kind; the public key lies beside each, with `.pub`."""
    return prepare()


@pytest.fixture(scope="session")
def sign_by_openssh(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The armored signature of `message` by `ssh-keygen -Y sign`."""
    folder = tmp_path_factory.mktemp("signatures")

    def sign(key: Path, message: bytes = MESSAGE, namespace: str = "airpatch", *options: str) -> bytes:
        file = folder / "message"
        file.write_bytes(message)
        (folder / "message.sig").unlink(missing_ok=True)
        keygen("-q", "-Y", "sign", *options, "-n", namespace, "-f", key, file)
        return (folder / "message.sig").read_bytes()

    return sign


def public(key: Path) -> str:
    """Type and base64 of the public key beside a private key."""
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def certify(keys: dict[str, Path], kind: str, folder: Path, *options: str) -> bytes:
    """A certificate over the key `kind` by the authority."""
    (folder / "key.pub").write_bytes(Path(f"{keys[kind]}.pub").read_bytes())
    keygen("-q", "-s", keys["authority"], "-I", "build 7", *options, folder / "key.pub")
    return base64.b64decode((folder / "key-cert.pub").read_text().split()[1])
