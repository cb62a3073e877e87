"""What an answer says of a failure, and what is said where none comes."""

from __future__ import annotations

import email.utils

import pytest
from urllib3.exceptions import ConnectTimeoutError

from airpatch.registry_api.answer import failure_reason, retry_after, shown


def test_urls_are_shown_without_secrets() -> None:
    assert shown("https://u:p@s3.example/blob?X-Amz-Signature=1") == "https://s3.example/blob"


def test_retry_after_is_seconds_or_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.registry_api.answer.time.time", lambda: 1_000_000_000.0)
    assert retry_after("7") == 7.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after(email.utils.formatdate(1_000_000_050, usegmt=True)) == 50.0
    assert retry_after(email.utils.formatdate(0, usegmt=True)) == 0.0


def test_who_is_slow_is_told_from_who_is_not_there() -> None:
    assert failure_reason(ConnectTimeoutError()) == "it does not answer in time"
    assert failure_reason(OSError(113, "No route to host")) == "no route to host"
