"""What may stand in a bundle as a signature over its index."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import FormatError
from airpatch.signing.bundle_signatures import check_signature, key_of
from tests.signing.conftest import MESSAGE, keygen, public


def test_signatures_for_another_purpose_do_not_go_into_a_bundle(
    keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    found = check_signature(sign_by_openssh(keys["ed25519"]))
    assert base64.b64encode(found.public_key).decode() in public(keys["ed25519"])
    with pytest.raises(FormatError, match="sign with `-n airpatch`"):
        check_signature(sign_by_openssh(keys["ed25519"], MESSAGE, "file"))


@pytest.mark.parametrize("kind", ["ed25519", "p256", "rsa"])
def test_the_key_of_a_signature_is_told_as_openssh_tells_it(
    kind: str, keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    _, fingerprint, *_, name = keygen("-l", "-f", keys[kind]).decode().split()
    assert str(key_of(sign_by_openssh(keys[kind]))) == f"{fingerprint} {name}"


def test_a_key_that_is_not_accepted_is_none(keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]) -> None:
    assert key_of(sign_by_openssh(keys["short-rsa"])) is None
