"""The value of a sha256 and its two text forms."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.model.digest import Digest, is_hex

HEX = hashlib.sha256(b"x").hexdigest()


@given(st.binary(min_size=32, max_size=32))
def test_text_and_hex_are_inverse_to_parsing(raw: bytes) -> None:
    digest = Digest(raw)
    assert Digest.parse(str(digest)) == digest
    assert Digest.from_hex(digest.hex) == digest


def test_known_value() -> None:
    digest = Digest.of(b"")
    assert str(digest) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest.short == "e3b0c44298fc"


@pytest.mark.parametrize("text", [HEX[:4], HEX, f"sha256:{HEX[:4]}", f"sha256:{HEX}"])
def test_its_beginning_means_a_digest(text: str) -> None:
    assert Digest.from_hex(HEX).is_meant_by(text)


@pytest.mark.parametrize(
    "text", ["", HEX[:3], f"sha256:{HEX[:3]}", HEX[1:6], HEX[:6].upper() + "!", f"{HEX}0", "sha256:"]
)
def test_what_is_shorter_or_other_does_not(text: str) -> None:
    assert not Digest.from_hex(HEX).is_meant_by(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:../../x",
        f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX}\n",
        f" sha256:{HEX}",
        f"sha512:{HEX * 2}",
        f"md5:{HEX[:32]}",
        HEX,
        f"sha256:{HEX[:-1]}\N{FULLWIDTH DIGIT ONE}",
        None,
        b"sha256:" + HEX.encode(),
        7,
    ],
    ids=repr,
)
def test_adversary_14_other_texts_are_refused(text: object) -> None:
    with pytest.raises(FormatError):
        Digest.parse(text)


@pytest.mark.parametrize(("text", "is_one"), [(HEX, True), (HEX[1:], False), (HEX.upper(), False), (HEX + "\n", False)])
def test_the_hex_form_is_told_from_other_names(text: str, is_one: bool) -> None:
    assert is_hex(text) is is_one


@pytest.mark.parametrize("text", ["", HEX.upper(), HEX[:-1], HEX + "0", HEX + "\n", "../" + HEX[3:]], ids=repr)
def test_adversary_14_other_hex_forms_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Digest.from_hex(text)


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_adversary_14_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(FormatError):
        Digest(bytes(length))
