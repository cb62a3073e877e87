"""How registries are reached: a value that says nothing about images. Loads no HTTP library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCHEME = "docker://"
"""How an address in a registry begins."""
CONNECTIONS = 8
"""Requests at the same time by default: enough to fill a line with some delay, few enough for any registry."""


def is_address(text: str) -> bool:
    """Return whether `text` means something in a registry."""
    return text.startswith(SCHEME)


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How to reach registries. The default is what docker and podman on this host would do, but for plain HTTP."""

    plain_http: bool = False
    """HTTP without TLS, which is allowed for loopback addresses alone."""
    ca: Path | None = None
    """A PEM file with certificates of authorities that count beside those of the system."""
    certificate: Path | None = None
    """A PEM file with the certificate that this client presents, and its key unless `key` names another file."""
    key: Path | None = None
    auth_file: Path | None = None
    """A file as `docker login` and `podman login` write it, in place of those at their usual places."""
    connections: int = CONNECTIONS
    """How many requests are under way at the same time."""
    attempts: int = 6
    """How often a request is made that fails in a way that may pass; one that brought bytes begins a new count."""
    pause: float = 0.5
    """Seconds before the second attempt, then twice as many each time; a registry's Retry-After goes before."""
    timeout: float = 60.0
    """Seconds without a byte after which a connection counts as broken."""


@dataclass(frozen=True, slots=True)
class PullOptions:
    """Which images are taken out of registries, and where their blobs are kept."""

    access: RegistryAccess = RegistryAccess()
    cache: Path | None = None
    """A folder in which blobs stay for the next time; without it they go to scratch files."""
    platform: str | None = None
    """`OS/ARCHITECTURE[/VARIANT]`: of an index this image only, in the place of the index."""
    referrers: bool = False
    """Whether to take what refers to the images, too: signatures, SBOMs, attestations."""
