"""Names of features and the versions that brought them."""

from __future__ import annotations

import pytest

from airpatch.format.features import MAX_FEATURE, encoder_feature, is_feature, is_version, view_feature


@pytest.mark.parametrize("name", [encoder_feature("zlib-6"), view_feature("gzip"), "x", "x" * MAX_FEATURE])
def test_a_name(name: str) -> None:
    assert is_feature(name)


@pytest.mark.parametrize("name", ["", " x", "x ", "x\ny", "é", "x" * (MAX_FEATURE + 1)])
def test_no_name(name: str) -> None:
    assert not is_feature(name)


@pytest.mark.parametrize("text", ["0.1", "1.0.0", "1.2.3.4", "999999.0"])
def test_a_version(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", ["", "1", "01.0", "1.2.3.4.5", "1.", "v1.0", "1.0-rc1", "1000000.0", "1.0\n"])
def test_no_version(text: str) -> None:
    assert not is_version(text)
