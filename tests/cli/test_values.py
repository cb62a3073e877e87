"""Types of arguments: what they take, and what they say to the rest."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch_cli.grammar.values import memory_size, moment, natural, nonempty, output_name, part_size, path, positive


@pytest.mark.parametrize(
    ("take", "text", "value"),
    [
        (nonempty, "a b", "a b"),
        (path, "a/b", Path("a/b")),
        (memory_size, "256MiB", 256 << 20),
        (memory_size, "4GiB", 4 << 30),
        (memory_size, "2GB", 2 * 10**9),
        (part_size, "300kB", 300_000),
        (part_size, "25MB", 25 * 10**6),
        (natural, "0", 0),
        (positive, "12", 12),
        (moment, "1970-01-02T00:00:00Z", 86400),
    ],
)
def test_what_is_taken(take: Callable[[str], object], text: str, value: object) -> None:
    assert take(text) == value


@pytest.mark.parametrize(
    ("take", "text", "message"),
    [
        (nonempty, "", "an empty path; write . for the current folder"),
        (path, "", "an empty path"),
        (output_name, "", "an empty path"),
        (memory_size, "255MiB", "must be 256MiB or more"),
        (memory_size, "256MB", "must be 256MiB or more, in KiB, MiB, GiB, kB, MB or GB"),
        (part_size, "64kB", "must be 64KiB or more"),
        (part_size, "4G", "must be 64KiB or more"),
        (memory_size, "1000000000", "must be 256MiB or more"),
        (memory_size, "-1GiB", "must be a whole number"),
        (natural, "-1", "must be a whole number of 0 or more, not '-1'"),
        (natural, "\u0663", "must be a whole number"),
        (positive, "0", "must be a whole number of 1 or more, not '0'"),
        (moment, "tomorrow", "must be an RFC 3339 time"),
    ],
)
def test_what_is_refused(take: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        take(text)


def test_names_of_standard_output_mean_standard_output() -> None:
    assert output_name("/dev/null") == "/dev/null"
    assert output_name("/proc/self/fd/1") == "-"
    assert output_name("/proc/nothing/there") == "/proc/nothing/there"
