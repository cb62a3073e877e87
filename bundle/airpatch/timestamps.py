"""Moments as people and documents write them: RFC 3339 text, always in UTC, for seconds since 1970. Knows no clock."""

from __future__ import annotations

import re
import time

LAST_SECOND = 253_402_300_799
"""Seconds since 1970: the end of the year 9999, the last that RFC 3339 and `datetime` can write."""
_FORM = r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d([Zz]|[+-]\d\d:\d\d))?"


def emit_timestamp(seconds: int) -> str:
    """`seconds` since 1970 as `2027-01-31T00:00:00Z`; cut to the years up to 9999."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(seconds, 0), LAST_SECOND)))


def parse_timestamp(text: str) -> int:
    """Return the seconds since 1970 of an RFC 3339 time or, for its first moment in UTC, of a date.

    Raises ValueError for other forms, fractions of a second, and moments before 1970.
    """
    from datetime import UTC, datetime  # here, since it takes time to load

    if not re.fullmatch(_FORM, text, re.ASCII):
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if not 0 <= seconds <= LAST_SECOND:
        raise ValueError(text)
    return seconds
