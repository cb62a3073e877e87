"""Sizes and counts as people read them."""

from __future__ import annotations

import pytest

from airpatch.units import are, count, megabytes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (23_800_000, "23.8 MB"),
        (5 * 10**12, "5.0 TB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_have_about_three_digits(size: int, text: str) -> None:
    assert megabytes(size) == text


def test_counts_have_a_noun_that_fits() -> None:
    assert (count(0, "image"), count(1, "image"), count(1234, "image")) == ("0 images", "1 image", "1,234 images")
    assert (count(1, "layer patch"), count(2, "layer patch")) == ("1 layer patch", "2 layer patches")
    assert [are(number) for number in range(3)] == ["are", "is", "are"]
