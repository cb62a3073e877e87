"""Registries that run on this host, asked for the version of their API (OCI distribution-spec, Determining Support).

They are found as processes and by the ports on which these listen; where another user's processes cannot be looked
into, by the port that registries listen on by default.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from airpatch.host.facts import Fact, Verdict

DEFAULT_PORT = 5000
_PROGRAMS = ("registry", "docker-registry")
_LISTENING = "0A"
"""The state of a socket in /proc/net/tcp (proc(5))."""
_PATIENCE = 2
"""Seconds that a registry on this host may take to answer."""


def registries() -> Fact:
    """Return each registry that runs here, with the version of its API."""
    found = [text for port in sorted(_ports()) if (text := _ask(port)) is not None]
    return Fact("registry", Verdict.OK, "; ".join(found) or "none is running on this host")


def _ports() -> set[int]:
    ports = {DEFAULT_PORT}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "comm").read_text().strip() in _PROGRAMS:
                ports |= set(_ports_of(process))
    return ports


def _ports_of(process: Path) -> Iterator[int]:
    """Yield the ports on which `process` listens."""
    sockets = set()
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            if found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                sockets.add(found[1])
    for table in ("tcp", "tcp6"):
        for line in (process / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENING and words[9] in sockets:
                yield int(words[1].rpartition(":")[2], 16)


def _ask(port: int) -> str | None:
    """Return what answers at `port` of this host; None if nothing does, or no registry."""
    if (version := _version(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE))) is not None:
        return f"http://127.0.0.1:{port} has the API {version}"
    try:
        import ssl  # which a Python that was built without OpenSSL lacks
    except ImportError:
        return None
    anybody = ssl._create_unverified_context()  # noqa: S323 - only a header is read, which decides about nothing
    secure = http.client.HTTPSConnection("127.0.0.1", port, timeout=_PATIENCE, context=anybody)
    if (version := _version(secure)) is not None:
        return f"https://127.0.0.1:{port} has the API {version}"
    return None


def _version(connection: http.client.HTTPConnection) -> str | None:
    """Return the version that the answer's header names; 401 and the like have it, too."""
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().getheader("Docker-Distribution-Api-Version")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
