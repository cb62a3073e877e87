"""Which file is the older version of another: content says it, paths break ties."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import pytest

from airpatch.delta import olds as module
from airpatch.delta.olds import Cover, Old, Olds
from airpatch.delta.tar_members import TarMember
from tests.delta.support import delta, noise, rebuild, tar


def olds(*paths: str, most: int = 100) -> Olds:
    """Files of 1000 bytes in one source, each behind a header."""
    starts = range(0, 1536 * len(paths), 1536)
    rows = zip(paths, starts, strict=True)
    return Olds(((0, TarMember(p.encode(), start, start + 512, 1000, start + 1536)) for p, start in rows), most)


def old(number: int) -> Old:
    return Old(1536 * number, 1536 * number + 512, 1000, 1536 * number + 1536)


def match(number: int, length: int) -> Cover:
    return (0, 1536 * number + 600, length)


def test_without_matches_paths_tell() -> None:
    files = olds("lib/x.so.1.2", "lib/x.so.1.3", "bin/sh", "bin/sh")
    assert files.find(b"lib/x.so.1.3", 512, []) == old(1)
    assert files.find(b"./lib/x.so.1.3", 512, []) == old(1)
    assert files.find(b"lib/x.so.9.10", 512, []) == old(0)
    assert files.find(b"bin/sh", 512, []) == old(2)
    assert files.find(b"bin/other", 512, []) is None


def test_what_most_matches_lie_in_is_the_older_version() -> None:
    files = olds("assets/1.js", "assets/2.js", "assets/a.js")
    assert files.find(b"assets/1.js", 512, [match(1, 400), match(0, 100)]) == old(1)
    assert files.find(b"assets/b.js", 512, [match(2, 64)]) == old(2)


def test_a_path_breaks_ties() -> None:
    files = olds("a/x", "b/x1", "b/x2", "c/y")
    assert files.find(b"b/x2", 512, [match(0, 100), match(2, 100), match(1, 100)]) == old(2)
    assert files.find(b"b/x7", 512, [match(0, 100), match(1, 100), match(2, 100)]) == old(1)
    assert files.find(b"none", 512, [match(3, 100), match(0, 100)]) == old(0)


def test_among_many_alike_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that differ by their numbers there may be hundreds of thousands."""
    looked_at: list[int] = []

    def with_key(hints: array[int], key: int) -> Iterator[int]:
        for number in _with_key(hints, key):
            looked_at.append(number)
            yield number

    _with_key = module._with_key
    monkeypatch.setattr(module, "_with_key", with_key)
    files = olds(*(f"lib/file{number}" for number in range(5000)), most=5000)
    assert files.find(b"lib/file7", 512, [match(3000, 100), match(7, 100)]) == old(7)
    assert files.find(b"lib/file9999", 512, [match(3000, 100), match(4000, 100)]) == old(3000)
    assert files.find(b"lib/file9999", 512, []) == old(0)
    assert files.find(b"lib/file9999", 64_000, [match(0, 64), match(1, 64)]) == old(0)
    assert len(looked_at) <= 2


def test_a_file_of_another_path_must_have_a_fair_part() -> None:
    files = olds("a", "b")
    assert files.find(b"c", 32_000, [match(0, 1000)]) == old(0)
    assert files.find(b"c", 32_000, [match(0, 900)]) is None
    assert files.find(b"b", 32_000, [match(0, 900), match(1, 64)]) == old(1)


def test_matches_between_files_count_for_none() -> None:
    files = Olds([(5000, TarMember(b"a", 0, 512, 1000, 1536))], 100)
    assert files.find(b"b", 512, [(0, 0, 4000), (0, 5000 + 1536, 50)]) is None
    assert files.find(b"b", 512, [(0, 5000, 64)]) == Old(5000, 5512, 1000, 6536)


def test_a_match_counts_for_the_file_that_its_middle_lies_in() -> None:
    """Padding of the file before is as much zeros as that of any other."""
    files = olds("a", "b", "c")
    assert files.find(b"d", 512, [(0, 1536 - 69, 1400)]) == old(1)
    assert files.find(b"d", 512, [(0, 1536 - 600, 1100)]) == old(0)


def test_a_file_without_content_is_no_older_version_of_anything_larger() -> None:
    empty = Old(0, 512, 0, 512)
    files = Olds([(0, TarMember(b"lib/x1", 0, 512, 0, 512)), (0, TarMember(b"lib/x2", 512, 1024, 9, 1536))], 100)
    assert files.find(b"lib/x1", 512, []) == files.of_path(b"lib/x1", 0) == empty
    assert files.find(b"lib/x1", 1024, []) is None
    assert files.find(b"lib/x2", 1024, [(0, 0, 512)]) == Old(512, 1024, 9, 1536)
    assert files.find(b"lib/y", 512, [(0, 0, 512)]) is None


def test_of_files_of_one_path_that_is_taken_which_lies_at_a_place() -> None:
    files = olds("a", "b", "a", "c")
    assert files.of_path(b"./a", 0) == files.of_path(b"a", 1536) == files.of_path(b"a", 10_000) == old(0)
    assert files.of_path(b"a", 2 * 1536) == old(2)
    assert files.of_path(b"d", 0) is None
    assert files.at(1536) == old(1)
    assert files.at(1537) is files.at(4 * 1536) is None


def test_no_more_files_than_fit() -> None:
    files = olds("a", "b", "c", most=2)
    assert [files.find(path, 512, []) for path in (b"a", b"b", b"c")] == [old(0), old(1), None]


def test_a_file_that_took_the_name_of_another_is_made_from_what_it_was() -> None:
    first, second = noise(30_000, 1), noise(30_000, 2)
    before = tar({"chunk-1.js": first, "chunk-2.js": second})
    after = tar({"chunk-1.js": second[:9000] + b"!" + second[9000:], "chunk-2.js": first[:9000] + b"!" + first[9000:]})
    patch = delta(after, [before])
    assert len(patch) < 300
    assert rebuild(patch, [before]) == after


def test_a_file_that_is_far_larger_is_no_older_version_but_of_its_own_path() -> None:
    """A packed archive holds what lies in it as it is, too; the entry of the same name is nearer, and much smaller."""
    rows = [
        (0, TarMember(b"a.jar", 0, 512, 2 << 20, 3 << 20)),
        (0, TarMember(b"a.jar!x", 3 << 20, 3 << 20, 1000, 4 << 20)),
    ]
    files = Olds(rows, 100)
    entry = Old(3 << 20, 3 << 20, 1000, 4 << 20)
    assert files.find(b"a.jar!x", 1000, [(0, 600, 900)]) == entry
    assert files.find(b"a.jar!y", 1000, [(0, 600, 900)]) is None
    assert files.find(b"a.jar", 1000, [(0, 600, 900)]) == Old(0, 512, 2 << 20, 3 << 20)
    assert files.find(b"a.jar!y", 200_000, [(0, 600, 90_000)]) == Old(0, 512, 2 << 20, 3 << 20)
