"""What may stand in a bundle as a signature over its index."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import FormatError
from airpatch.signing.bundle_signatures import check_signature
from tests.signing.conftest import MESSAGE, public


def test_signatures_for_another_purpose_do_not_go_into_a_bundle(
    keys: dict[str, Path], sign_by_openssh: Callable[..., bytes]
) -> None:
    found = check_signature(sign_by_openssh(keys["ed25519"]))
    assert base64.b64encode(found.public_key).decode() in public(keys["ed25519"])
    with pytest.raises(FormatError, match="sign with `-n airpatch`"):
        check_signature(sign_by_openssh(keys["ed25519"], MESSAGE, "file"))
