"""What an answer says of a failure, and what is said where none comes."""

from __future__ import annotations

import email.utils

import pytest
from urllib3.exceptions import ConnectTimeoutError

from airpatch.registry_api.answer import decimal, failure_reason, retry_after, shown


def test_urls_are_shown_without_secrets() -> None:
    assert shown("https://u:p@s3.example/blob?X-Amz-Signature=1") == "https://s3.example/blob"
    assert shown("https://[x") == "a malformed URL"


def test_retry_after_is_seconds_or_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.registry_api.answer.time.time", lambda: 1_000_000_000.0)
    assert retry_after("7") == 7.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after(email.utils.formatdate(1_000_000_050, usegmt=True)) == 50.0
    assert retry_after(email.utils.formatdate(0, usegmt=True)) == 0.0


@pytest.mark.parametrize(
    "value", ["\u00b2", "9" * 5000, "Mon, 01 Jan 2020 00:00:00 +99999999999999", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"]
)
def test_what_says_no_time_is_passed_over(value: str) -> None:
    assert retry_after(value) is None


def test_numbers_in_headers() -> None:
    assert [decimal(text) for text in ("0", " 12 ", "9" * 18)] == [0, 12, 10**18 - 1]
    assert [decimal(text) for text in (None, "", "-1", "1, 2", "\u0662", "9" * 19, "9" * 5000)] == [None] * 7


def test_who_is_slow_is_told_from_who_is_not_there() -> None:
    assert failure_reason(ConnectTimeoutError()) == "it does not answer in time"
    assert failure_reason(OSError(113, "No route to host")) == "no route to host"
