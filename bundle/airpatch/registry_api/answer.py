"""The answer to a request, or why there is none."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import urllib3

_MAX_ERROR = 64 << 10
"""Bytes of an answer that are read for its message."""
_DECIMAL = re.compile("[0-9]{1,18}")


class Interrupted(Exception):
    """A connection broke, or the registry has a problem that may be temporary. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Answer:
    """The answer to a request, whose body is yet to be read. A context manager: it gives the connection back.

    `heed` raises what reading is to raise once it is cancelled.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, heed: Callable[[], None]) -> None:
        self._response = response
        self._heed = heed
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if kind is not None:
            self._response.close()
        else:
            self.give_back()

    def give_back(self) -> None:
        """Let the connection be used again; what is left of a long body is not read, and the connection closed."""
        with suppress(Exception):
            if self._response.read(1):
                self._response.close()
        self._response.release_conn()

    def read(self, limit: int) -> bytes:
        """Return the body of at most `limit` bytes. Raises Interrupted if it does not come whole, ValueError if
        longer.
        """
        content = bytearray()
        while piece := self.read_piece(1 << 16):
            content += piece
            if len(content) > limit:
                raise ValueError(f"an answer of more than {limit} bytes")
        return bytes(content)

    def read_piece(self, size: int) -> bytes:
        """Return the next bytes of the body, none at its end. Raises Interrupted."""
        import urllib3

        try:
            piece = self._response.read(size)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._heed()
            raise Interrupted(failure_reason(error)) from None
        self._heed()  # what ends a wait looks like the end of a body
        return piece

    def message(self) -> str:
        """Return what an error says (distribution-spec, Error Codes), and its status."""
        try:
            errors = json.loads(self.read(_MAX_ERROR))["errors"]
            texts = [f"{each.get('code')}: {each.get('message')}" for each in errors if isinstance(each, dict)]
        except (Interrupted, ValueError, KeyError, TypeError, RecursionError):
            texts = []
        said = "; ".join(texts)[:300]
        return f"{self.status} {said if said.isprintable() else ascii(said)}".strip()


def shown(url: str) -> str:
    """Return a URL for people: without a query, a user and a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a malformed URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]


def decimal(text: str | None) -> int | None:
    """Return the number in a header, None if it is none of 63 bits."""
    return int(text) if text is not None and _DECIMAL.fullmatch(text.strip()) else None


def retry_after(value: str | None) -> float | None:
    """Return seconds of a Retry-After header (RFC 9110, 10.2.3): a number, or a date."""
    if value is None:
        return None
    seconds = decimal(value)
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def failure_reason(error: BaseException) -> str:
    """Return what broke, in a few words; never the representation of a URL."""
    import urllib3

    causes = urllib3.exceptions
    match error:
        case causes.NewConnectionError():  # a ConnectTimeoutError, too, in urllib3
            cause = error.__cause__
            return (_words(cause) if isinstance(cause, OSError) else "") or "a connection cannot be made"
        case causes.ConnectTimeoutError() | causes.ReadTimeoutError():
            return "it does not answer in time"
        case causes.ProxyError():
            return "the proxy refuses the connection, or cannot be reached"
        case causes.SSLError():
            return "TLS fails"
        case causes.LocationValueError():
            return "it names a place that is no usable URL"
        case causes.IncompleteRead() | causes.ProtocolError() | ConnectionError():
            return "the connection broke"
        case OSError() if error.strerror:
            return _words(error)
    return f"the answer cannot be understood ({type(error).__name__})"


def _words(error: OSError) -> str:
    """Return what the system says, such as "connection refused", for the middle of a sentence."""
    text = error.strerror or ""
    return text[:1].lower() + text[1:]
