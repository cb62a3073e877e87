"""Hints of where a tar's members lie: never beyond the data, whatever it says."""

from __future__ import annotations

import tarfile
from typing import Any

import pytest

from airpatch.delta import tar_members as hints
from airpatch.delta.tar_members import members
from tests.delta.support import delta, noise, rebuild, tar

FILES = {"a": noise(30_000, 5), "b": noise(2000, 6)}
CONTENT_END = 512 + 30_208 + 512 + 2000  # of b


def paths(data: bytes) -> list[bytes]:
    return [member.path for member in members(memoryview(data))]


@pytest.mark.parametrize("missing", [0, 1, 47, 48])
def test_a_cut_tar_ends_where_it_is_cut(missing: int) -> None:
    data = tar(FILES)[: CONTENT_END + 48 - missing]
    assert [(member.content, member.size, member.end) for member in members(memoryview(data))] == [
        (512, 30_000, 512 + 30_208),
        (CONTENT_END - 2000, 2000, len(data)),
    ]


@pytest.mark.parametrize("missing", [1, 40, 47])
def test_a_cut_tar_is_a_target_and_a_source_like_any_other(missing: int) -> None:
    old = tar(FILES)
    changed = bytearray(FILES["a"][10_000:20_000])
    changed[::150] = bytes(len(changed[::150]))
    new = tar({"a": FILES["a"], "b": FILES["b"][:1000] + b"!" + FILES["b"][1001:], "c": bytes(changed)})
    for target, source in ((old[: CONTENT_END + 48 - missing], old), (new, old[: CONTENT_END + 48 - missing])):
        data = delta(target, [source])
        assert rebuild(data, [source]) == target
        assert len(data) < 1500


def test_long_paths_are_read_in_all_forms() -> None:
    long = "x" * 90 + "/" + "y" * 150
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        assert paths(tar({long: b"1", "b": b"2"}, form)) == [long.encode(), b"b"]


def test_extended_headers_are_read_once_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record costs its own size, however many there are."""
    body = b"6 a=b\n" * 20_000 + b"11 path=zz\n"
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = len(body)
    data = info.tobuf() + body + bytes(-len(body) % 512) + tar({"b": b"2"})
    seen = 0

    class Counting(bytes):
        def __getitem__(self, key: Any) -> Any:
            nonlocal seen
            result = bytes.__getitem__(self, key)
            if isinstance(key, slice):
                seen += len(result)
                return Counting(result)
            return result

    read = hints._pax
    monkeypatch.setattr(hints, "_pax", lambda body: read(Counting(body)))
    assert paths(data) == [b"zz"]
    assert seen < len(body)


@pytest.mark.parametrize("body", [b"5 a=", b"99 a=b\n", b"0 a=b\n", b"6 a=b", b"4 a=b\n", b"x", b"", b"6 =bb\n"])
def test_malformed_records_are_left_alone(body: bytes) -> None:
    assert hints._pax(body) == {}
