"""Picks images by references: the lines of an images list, or names on the command line.

A reference names an image as the source does, or with a prefix that the source does not have, such as a registry's host
or a path: `skopeo sync` keeps only the last component of a name without `--scoped`. The
short names of Docker Hub mean what they mean to docker: `alpine` is `docker.io/library/alpine`; and so do the other
names of its host, in references and in sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airpatch import limits
from airpatch.errors import FormatError, SourceError, UsageError, unreadable
from airpatch.linux import read_start
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.source import FoundImage

_HOST = re.compile(r"[^/]*[.:][^/]*|localhost")
_MOST_FINDINGS = 1000
"""Bad lines of a list that are named; one with more is no list."""
_HUB, _OFFICIAL = "docker.io", "library"
_SHOWN = 3
"""Other tags that a message names."""
_HUB_HOSTS = (_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository as written, with a tag, a digest or both."""

    repository: str
    tag: str | None
    digest: Digest | None

    @classmethod
    def parse(cls, text: str, default_tag: str | None = "latest") -> Reference:
        """`[docker://]REPOSITORY[:TAG][@DIGEST]`; with neither the tag is `default_tag`. Raises FormatError."""
        name, at, digest_text = text.removeprefix("docker://").partition("@")
        digest = Digest.parse(digest_text) if at else None
        repository, colon, word = name.rpartition(":")
        tag: str | None = word
        if not colon or "/" in word:
            repository, tag = name, None if digest is not None else default_tag
        ImageName(repository, "latest" if tag is None else tag)
        return cls(repository, tag, digest)

    @property
    def full(self) -> str:
        """The repository with its registry's host, in one spelling."""
        host, slash, _ = self.repository.partition("/")
        if slash and _HOST.fullmatch(host):
            return canonical(self.repository)
        return "/".join((_HUB, self.repository) if slash else (_HUB, _OFFICIAL, self.repository))

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{self.repository}{tag}{f'@{self.digest}' if self.digest is not None else ''}"


def canonical(repository: str) -> str:
    """Return the repository with the usual name of Docker Hub, where it names Docker Hub; else as it is."""
    host, slash, path = repository.partition("/")
    if not slash or host not in _HUB_HOSTS:
        return repository
    return f"{_HUB}/{path}" if "/" in path else f"{_HUB}/{_OFFICIAL}/{path}"


def read_images_list(path: Path) -> list[Reference]:
    """Return the references in the file `path`, one per line; `#` begins a comment. Raises UsageError naming all bad
    lines.
    """
    try:
        content = read_start(path, limits.LISTING.value + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise unreadable(str(path), error) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text") from None
    if len(content) > limits.LISTING.value:
        raise UsageError(f"{path}: has more than {limits.LISTING} bytes")
    references = []
    findings = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].strip()
        try:
            if words:
                references.append(Reference.parse(words))
        except FormatError as error:
            findings.append(f"line {number}: {error.message}")
            if len(findings) == _MOST_FINDINGS:
                findings.append("and no further line was looked at")
                break
    if findings:
        raise UsageError(f"{path}: has lines that are no image references", findings)
    if not references:
        raise UsageError(f"{path}: names no image")
    return references


def select(references: Iterable[Reference], entries: Iterable[FoundImage]) -> list[FoundImage]:
    """Return the entries that are meant, in the order of the references.

    An exact match takes precedence over one found by leaving out a prefix. Loads an entry only
    where the reference has a digest. Raises SourceError naming every reference that is missing, ambiguous or has
    another digest.
    """
    index = _Index(entries)
    chosen: dict[ImageName, Reference] = {}
    findings = []
    for reference in dict.fromkeys(references):
        try:
            for name in index.find(reference):
                other = chosen.setdefault(name, reference)
                if other.full != reference.full:
                    raise SourceError(f"{reference}: ambiguous: {name} would be this image and {other}")
        except SourceError as error:
            findings.append(error.message)
    if findings:
        raise SourceError("some of the requested images are not in the source", findings)
    return [entry for name in chosen for entry in index.entries[name]]


class _Index:
    """Entries by name and by repository, as it is spelled and as it is meant."""

    def __init__(self, entries: Iterable[FoundImage]) -> None:
        self.entries: dict[ImageName, list[FoundImage]] = {}
        self._names: dict[tuple[str, str | None], dict[ImageName, None]] = {}
        for entry in entries:
            self.entries.setdefault(entry.name, []).append(entry)
            for repository in {entry.name.repository, canonical(entry.name.repository)}:
                for tag in (None, entry.name.tag):
                    self._names.setdefault((repository, tag), {})[entry.name] = None

    def find(self, reference: Reference) -> list[ImageName]:
        """Return the names that `reference` means. Raises SourceError if it matches none, or is ambiguous."""
        found = self._matches(reference.repository, reference)
        if not found:
            matches = {r: names for r in _shortened(reference.full) if (names := self._matches(r, reference))}
            if len(matches) > 1:
                raise SourceError(f"{reference}: ambiguous: may be {' or '.join(matches)}")
            found = next(iter(matches.values()), [])
        if not found:
            raise SourceError(f"{reference}: missing{self._others(reference)}")
        if reference.digest is None:
            return found
        right = [name for name in found if self._has_digest(name, reference.digest)]
        if not right:
            others = " and ".join(name.reference for name in found)
            raise SourceError(f"{reference}: {others} in the source has another digest")
        return right

    def _matches(self, repository: str, reference: Reference) -> list[ImageName]:
        return list(self._names.get((repository, reference.tag), ()))

    def _others(self, reference: Reference) -> str:
        """Return what to say of the other tags of the same repository."""
        repositories = (reference.repository, *_shortened(reference.full))
        names = list(dict.fromkeys(name.reference for r in repositories for name in self._names.get((r, None), {})))
        if not names:
            return ""
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"; there is {', '.join(names[:_SHOWN])}{more}"

    def _has_digest(self, name: ImageName, digest: Digest) -> bool:
        return all((entry.digest or entry.load().manifest) == digest for entry in self.entries[name])


def _shortened(repository: str) -> Iterator[str]:
    """Return the repository, then without its first component, and so on."""
    parts = repository.split("/")
    return ("/".join(parts[count:]) for count in range(len(parts)))


def pick(names: Sequence[str], entries: Iterable[FoundImage]) -> list[FoundImage]:
    """Return the entries that `names` mean: references as in an images list, but a repository alone means all its tags.

    Raises UsageError naming every one that is malformed, missing or ambiguous.
    """
    references = []
    findings = []
    for name in names:
        try:
            references.append(Reference.parse(name, None))
        except FormatError as error:
            findings.append(f"{name}: {error.message}")
    try:
        if not findings:
            return select(references, entries)
    except SourceError as error:
        findings += error.findings
    raise UsageError("no such image here; 'airpatch inspect' lists those of a bundle or a root", findings)
