"""The table of what each version can do, with a later version as it may come."""

from __future__ import annotations

import pytest

from airpatch.errors import UsageError
from airpatch.layers import versions
from airpatch.layers.versions import features_of, features_of_this_host, known_features, newest, since


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it will be when 0.2 and 0.10 have brought an encoder and a framing."""
    monkeypatch.setattr(versions, "VERSIONS", ("0.1", "0.2", "0.10"))
    monkeypatch.setattr(versions, "_LATER", {"encoder zlib-6": "0.2", "view gzip": "0.10"})


@pytest.mark.usefixtures("later")
def test_a_version_has_what_came_with_it_and_before() -> None:
    assert features_of("0.1") == known_features() - {"encoder zlib-6", "view gzip"}
    assert features_of("0.2") == known_features() - {"view gzip"}
    assert features_of("0.2.7") == features_of("0.2")
    assert features_of("0.10") == known_features()
    assert [since(name) for name in ("encoder zlib-6", "view gzip", "view zlib")] == ["0.2", "0.10", "0.1"]
    assert newest(["0.2", "0.10", "0.1"]) == "0.10"


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("version", ["0.3", "1.0", "2", "", "0.1\n"])
def test_a_version_that_is_not_known_is_told_with_those_that_are(version: str) -> None:
    with pytest.raises(UsageError, match=r"0\.10, knows; it knows 0\.1, 0\.2, 0\.10"):
        features_of(version)


def test_uncompiled_there_are_no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "AVAILABLE", False)
    features_of_this_host.cache_clear()
    missing = known_features() - features_of_this_host()
    features_of_this_host.cache_clear()
    assert missing
    assert all(
        name.startswith(("encoder libzstd-", "encoder libbrotli-", "encoder zopfli-", "view brotli"))
        for name in missing
    )
