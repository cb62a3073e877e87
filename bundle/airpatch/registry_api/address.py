"""Addresses in registries: `docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, as skopeo writes them.

A name without a host means Docker Hub, whose images without a path are in `library/`, as with docker.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from airpatch.errors import FormatError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName, check_repository
from airpatch.registry_api.access import SCHEME

_HOST = re.compile(r"(localhost|[A-Za-z0-9.-]*[.][A-Za-z0-9.-]*|[A-Za-z0-9.-]+(?=:)|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_ALONE = re.compile(r"localhost(?=:|$)|\[|[^:]*[.]")
"""How a host begins that nobody takes for an image of Docker Hub."""
HUB = "docker.io"
_HUB_NAMES = (HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
_HUB_SERVER = "registry-1.docker.io"
_OFFICIAL = "library/"


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """A registry, and a path in it that may be empty. `host` is as users write it, with a port where it has one."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> RegistryPlace:
        """`docker://HOST[:PORT][/PATH]`. Raises UsageError."""
        host, _, path = text.removeprefix(SCHEME).partition("/")
        path = path.rstrip("/")
        if not text.startswith(SCHEME) or not is_host(host):
            raise UsageError(f"{text}: is not a registry: write {SCHEME}HOST[:PORT][/PREFIX]")
        if path:
            try:
                check_repository(path)
            except FormatError as error:
                raise UsageError(f"{text}: {error.message}; a prefix has no tag") from None
        return cls(_one_name(host), path)

    @property
    def server(self) -> str:
        """The host that requests go to."""
        return _HUB_SERVER if self.host == HUB else self.host

    def below(self, repository: str) -> str:
        """Return the path of a repository below this place."""
        name = f"{self.path}/{repository}" if self.path else repository
        return f"{_OFFICIAL}{name}" if self.host == HUB and "/" not in name else name

    def __str__(self) -> str:
        return f"{SCHEME}{self.host}{f'/{self.path}' if self.path else ''}"


@dataclass(frozen=True, slots=True)
class Address:
    """An image in a registry: by `tag`, by `digest`, or by both, of which the digest decides."""

    host: str
    repository: str
    tag: str | None
    digest: Digest | None

    @classmethod
    def parse(cls, text: str) -> Address:
        """`docker://[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`; with neither the tag is `latest`. Raises UsageError."""
        name, at, digest_text = text.removeprefix(SCHEME).partition("@")
        host, slash, path = name.partition("/")
        if not slash and _ALONE.match(name):
            raise UsageError(
                f"{text}: names a registry, and no image in it: write {SCHEME}HOST[:PORT]/REPOSITORY[:TAG]"
            )
        if not slash or not is_host(host):
            host, path = HUB, name
        repository, colon, tag = path.rpartition(":")
        if not colon or "/" in tag:
            repository, tag = path, "" if at else "latest"
        try:
            digest = Digest.parse(digest_text) if at else None
            ImageName(repository, tag or "latest")
        except FormatError as error:
            raise UsageError(f"{text}: {error.message}") from None
        place = RegistryPlace(_one_name(host), "")
        return cls(place.host, place.below(repository), tag or None, digest)

    @property
    def reference(self) -> str:
        """What the API takes for the manifest: a digest or a tag."""
        return str(self.digest) if self.digest is not None else str(self.tag)

    @property
    def name(self) -> ImageName:
        """The name in a release: without the host, and without the `library/` that people leave out."""
        repository = short_name(self.repository)
        if self.tag is not None:
            return ImageName(repository, self.tag)
        assert self.digest is not None  # noqa: S101 - as parsed
        return ImageName.by_digest(repository, self.digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{SCHEME}{self.host}/{self.repository}{tag}{digest}"


def short_name(repository: str) -> str:
    """Return the repository without the `library/` of official images."""
    rest = repository.removeprefix(_OFFICIAL)
    return repository if "/" in rest else rest


def split_host(name: str) -> tuple[str, str]:
    """Return the host of an image's name, empty if there is none, and its path."""
    host, slash, path = name.partition("/")
    return (_one_name(host), path) if slash and is_host(host) else ("", name)


def is_host(text: str) -> bool:
    """Return whether the first part of a name is a host, by the rule of docker: it has a dot or a port, or is
    `localhost`.
    """
    return _HOST.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Return whether `host`, with or without a port, is this machine."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) and not host.endswith("]") else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _one_name(host: str) -> str:
    return HUB if host in _HUB_NAMES else host
