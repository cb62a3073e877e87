"""HTTP to one registry: TLS, proxies, repeated attempts, redirects, authorization.

Only this module, `connections.py` and `answer.py` know urllib3.

Rules:
1. An Authorization header goes to the registry's own origin and to the token server that it names, nowhere else: a
   request that is redirected to another origin (a blob store) carries none, and is not answered if it asks for one.
2. From https nothing is followed to http.
3. URLs are shown without their query, which may be a signature of a blob store.
"""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import SplitResult, urljoin, urlsplit

from airpatch.errors import AirpatchError, UsageError
from airpatch.execution import Cancellation
from airpatch.extras import require_extra
from airpatch.log import logger
from airpatch.registry_api.access import RegistryAccess
from airpatch.registry_api.address import RegistryPlace, is_loopback
from airpatch.registry_api.answer import Answer, Interrupted, failure_reason, retry_after, shown
from airpatch.registry_api.authorization import Authorizer, Refused
from airpatch.registry_api.credentials import Credential, find_credential
from airpatch.registry_api.tls import certificate_error, tls_context
from airpatch.worker_pool import worker_pool

if TYPE_CHECKING:
    import urllib3

_LOG = logger(__name__)
_NOT_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST")
"""What OpenSSL calls an answer that is no TLS; the name depends on its version."""
_T = TypeVar("_T")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses of failures that may pass."""
_LONGEST_PAUSE = 300.0
"""Seconds that a registry may ask us to wait."""
_MOST_TOKEN = 1 << 20
"""Bytes of what a token server answers."""
_HEED = 0.2
"""Seconds after which a pause looks whether the work is cancelled."""


class Transport:
    """Requests to the registry at `place`. For use by many threads.

    What cannot be had is an `error`. Cancelling `cancellation` ends all requests at once. Raises UsageError for
    certificates and credentials that cannot be used.
    """

    def __init__(
        self,
        place: RegistryPlace,
        access: RegistryAccess,
        error: type[AirpatchError],
        cancellation: Cancellation | None = None,
    ) -> None:
        require_extra("registry", "urllib3")
        from airpatch.registry_api.connections import Lines

        if access.plain_http and not is_loopback(place.host):
            raise UsageError(f"--plain-http is only for this machine, and {place.host} is another: use TLS")
        self.place = place
        self.access = access
        self.error = error
        self.base = f"{'http' if access.plain_http else 'https'}://{place.server}"
        self._origin = _origin(self.base)
        self._cancellation = cancellation or Cancellation()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._credentials: dict[str, Credential | None] = {}
        self._authorizer = Authorizer(place.host, self._credential, self._fetch_token)
        context = tls_context(place, access) if not access.plain_http else ssl.create_default_context()
        self._lines = Lines(self._cancellation)
        self._context = self._lines.within(context)
        self._listening = ExitStack()
        self._listening.enter_context(self._cancellation.calling(self._lines.cut))

    def _credential(self, repository: str) -> Credential | None:
        if repository not in self._credentials:
            self._credentials[repository] = find_credential(self.place.host, repository, self.access.auth_file)
        return self._credentials[repository]

    def workers(self) -> AbstractContextManager[Executor]:
        """Return threads for as many requests as may be under way (`worker_pool`). A block that is left by an exception
        cancels this transport: no request is repeated then.
        """
        return worker_pool(self.access.connections, self._cancellation)

    def cancel(self) -> None:
        """End all requests: those under way, and those to come."""
        self._cancellation.cancel()

    def heed(self) -> None:
        """Raise CancelledError if that is asked for."""
        if self._cancellation.is_cancelled:
            raise CancelledError

    def close(self) -> None:
        """Close all connections."""
        self._listening.close()
        for pool in self._pools.values():
            pool.clear()

    def request(
        self,
        method: str,
        url: str,
        repository: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview | None = None,
        follow: bool = True,
    ) -> Answer:
        """Return one attempt at a request for `url`, a path or a whole URL, with what authorization it takes.

        Redirects of GET and HEAD are followed unless `follow` is False. Raises Interrupted for failures that may pass,
        and what `error` says where authorization is refused.
        """
        full = urljoin(self.base, url)
        try:
            for _ in range(3):  # without a token, with one, and with another where that has expired
                own = _origin(full) == self._origin
                tried = self._authorizer.header(repository, scope) if own else None
                answer = self._send(
                    method, full, {**(headers or {}), **({"Authorization": tried} if tried else {})}, body
                )
                if answer.status != 401 or not own:
                    break
                challenge = ", ".join(_all(answer.headers, "WWW-Authenticate"))
                with answer:
                    pass
                self._authorizer.answer(challenge, scope, tried)
                if tried is None and self._authorizer.header(repository, scope) is None:
                    raise self._authorizer.wanted()
            if answer.status == 401 and own:
                raise self._authorizer.wanted()
        except Refused as error:
            raise self.error(str(error)) from None
        for _ in range(_MOST_REDIRECTS):
            if not follow or method not in ("GET", "HEAD") or answer.status not in _REDIRECTS:
                break
            answer = self._follow(method, answer, headers or {}, repository, scope)
        if answer.status in _PASSING:
            pause = retry_after(answer.headers.get("Retry-After"))
            with answer:
                raise Interrupted(answer.message(), pause)
        return answer

    def _follow(self, method: str, answer: Answer, headers: Mapping[str, str], repository: str, scope: str) -> Answer:
        with answer:
            target = self.place_of(answer, answer.headers.get("Location", ""))
        own = _origin(target) == self._origin
        try:
            header = self._authorizer.header(repository, scope) if own else None
        except Refused as error:
            raise self.error(str(error)) from None
        return self._send(method, target, {**headers, **({"Authorization": header} if header else {})}, None)

    def place_of(self, answer: Answer, reference: str) -> str:
        """Return the URL that an answer refers to, relative to its own. Raises `error` if it is not to be followed."""
        try:
            target = urljoin(answer.url, reference)
            old, new = urlsplit(answer.url).scheme, urlsplit(target).scheme
        except ValueError:
            raise self.error(
                f"{shown(answer.url)}: refers to {reference!r:.100}, which is no URL: its operator should look at that"
            ) from None
        if new not in ("https", "http") or (old, new) == ("https", "http"):
            raise self.error(
                f"{shown(answer.url)}: redirects to {shown(target)}, which is not followed, since it is without TLS"
            )
        return target

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | memoryview | None) -> Answer:
        import urllib3

        self.heed()
        known = {"User-Agent": "airpatch", "Accept-Encoding": "identity", **headers}
        try:
            response = self._pool(url).request(
                method, url, headers=known, body=cast("bytes | None", body), redirect=False, retries=False,
                preload_content=False, decode_content=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            self.heed()
            cause = certificate_error(error)
            if cause is not None:
                raise self.error(
                    f"{urlsplit(url).netloc}: its certificate is not accepted: {cause}. Name the authority that issued "
                    "it with --ca"
                ) from None
            if isinstance(error, urllib3.exceptions.NameResolutionError):
                raise self.error(f"{urlsplit(url).netloc}: its name cannot be resolved") from None
            if isinstance(error, urllib3.exceptions.SSLError) and _NOT_TLS.search(str(error)):
                raise self.error(
                    f"{urlsplit(url).netloc}: answers without TLS; if it should, use --plain-http"
                ) from None
            raise Interrupted(failure_reason(error)) from None
        except (OSError, ValueError) as error:
            self.heed()
            raise Interrupted(failure_reason(error)) from None
        _LOG.debug("%s %s: %d", method, shown(url), response.status)
        answer = Answer(response, url, self.heed)
        if self._cancellation.is_cancelled:  # what ended the wait looks like an answer
            with answer:
                self.heed()
        return answer

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections for `url`: direct ones, or through the proxy of the environment."""
        parts = urlsplit(url)
        is_direct = bool(urllib.request.proxy_bypass(parts.netloc)) or is_loopback(parts.netloc)
        return self._pool_by("" if is_direct else urllib.request.getproxies().get(parts.scheme, ""))

    def _pool_by(self, proxy: str) -> urllib3.PoolManager:
        import urllib3

        with self._lock:
            if proxy not in self._pools:
                timeout = urllib3.Timeout(connect=min(30.0, self.access.timeout), read=self.access.timeout)
                size = self.access.connections
                if proxy:
                    parts = self._proxy_parts(proxy)
                    auth = f"{parts.username}:{parts.password or ''}" if parts.username else None
                    proxy_headers = urllib3.make_headers(proxy_basic_auth=auth) if auth else None
                    self._pools[proxy] = urllib3.ProxyManager(
                        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", proxy_headers=proxy_headers,
                        ssl_context=self._context, timeout=timeout, maxsize=size, num_pools=8, block=False,
                    )  # fmt: skip
                else:
                    self._pools[proxy] = urllib3.PoolManager(
                        ssl_context=self._context, timeout=timeout, maxsize=size, num_pools=8, block=False
                    )
                self._lines.install(self._pools[proxy])
            return self._pools[proxy]

    def _proxy_parts(self, proxy: str) -> SplitResult:
        """Return the parts of the URL of a proxy. Raises `error`, which does not show it: it may have a password."""
        with suppress(ValueError):
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
                return parts
        raise self.error(
            "the proxy that the environment names (https_proxy, http_proxy, all_proxy) cannot be used: write "
            "http://HOST:PORT"
        )

    def _fetch_token(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        if self.base.startswith("https:") and urlsplit(url).scheme != "https":
            raise Refused(f"{self.place.host} names a token server without TLS, {shown(url)}, which is refused")

        def attempt() -> tuple[int, bytes]:
            with self._send(method, url, headers, body) as answer:
                if answer.status in _PASSING:
                    raise Interrupted(answer.message(), retry_after(answer.headers.get("Retry-After")))
                try:
                    return answer.status, answer.read(_MOST_TOKEN)
                except ValueError as error:
                    raise Refused(f"the token server {shown(url)} gives {error}, where a token should be") from None

        return self.repeat(attempt, f"the token server {shown(url)}")

    def repeat(self, attempt: Callable[[], _T], what: str) -> _T:
        """Return what `attempt` returns; it is tried again while it raises Interrupted. Raises `error` in the end."""
        patience = Patience(self, what)
        while True:
            try:
                return attempt()
            except Interrupted as interruption:
                patience.wait(interruption)


class Patience:
    """Counts failed attempts at `what`, and waits between them."""

    def __init__(self, transport: Transport, what: str) -> None:
        self._transport = transport
        self._what = what
        self._failed = 0

    def renew(self) -> None:
        """Note progress: failures are counted from zero again."""
        self._failed = 0

    def wait(self, interruption: Interrupted) -> None:
        """Wait before the next attempt. Raises the transport's error if there have been enough of them."""
        access = self._transport.access
        self._transport.heed()
        self._failed += 1
        if self._failed >= access.attempts:
            raise self._transport.error(f"{self._what}: {interruption} (tried {self._failed} times)")
        pause = interruption.retry_after
        if pause is None:
            pause = access.pause * 2 ** (self._failed - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        _LOG.info("%s: %s; trying again in %.1f s", self._what, interruption, pause)
        end = time.monotonic() + min(pause, _LONGEST_PAUSE)
        while (left := end - time.monotonic()) > 0:
            self._transport.heed()
            time.sleep(min(left, _HEED))


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def _all(headers: Mapping[str, str], name: str) -> list[str]:
    getlist = getattr(headers, "getlist", None)
    return list(getlist(name)) if getlist is not None else [headers[name]]
