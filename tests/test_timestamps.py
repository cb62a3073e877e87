"""Moments as RFC 3339 writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.model.release import MAX_TIME
from airpatch.timestamps import LAST_SECOND, emit_timestamp, parse_timestamp


@given(st.integers(0, LAST_SECOND))
def test_moments_come_back_as_they_were(seconds: int) -> None:
    assert parse_timestamp(emit_timestamp(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01t00:00:07z", 7),
        ("1970-01-01 00:00:07Z", 7),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("9999-12-31T23:59:59Z", MAX_TIME),
    ],
)
def test_forms_that_are_read(text: str, seconds: int) -> None:
    assert parse_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027",
        "2027-13-01",
        "2027-02-30",
        "2027-01-31T00:00:00",
        "2027-01-31T00:00:00.5Z",
        "1969-12-31",
        "٢٠٢٧-01-31",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever text
        parse_timestamp(text)


def test_what_no_year_has_is_shown_as_the_nearest() -> None:
    assert emit_timestamp(LAST_SECOND + 1) == "9999-12-31T23:59:59Z"
    assert emit_timestamp(-1) == "1970-01-01T00:00:00Z"
