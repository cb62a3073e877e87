"""Names of images: repository and tag, their grammar, and the folder names that skopeo gives them.

The grammar is distribution's `reference` package: a repository is lower-case components joined by `/`, its first
component may be a host with a port; 255 bytes at most. A tag is a word of at most 128 characters. Everything that
becomes a path is checked here, on the way in and on the way out.

An image that is known by its digest alone, as `web@sha256:<hex>`, has the tag `by-digest-<hex>` in a release
(spec/FORMAT.md, Names): registries keep what a tag names, and serve it by its digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.model.digest import Digest

MAX_REPOSITORY = 255
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_BY_DIGEST = "by-digest-"
_DERIVED_TAG = re.compile(r"(by-digest|sha256)-[0-9a-f]{64}(\.[a-z]+)?", re.ASCII)


def check_repository(repository: str) -> None:
    """Raise FormatError unless `repository` is a valid name."""
    if len(repository) > MAX_REPOSITORY or _REPOSITORY.fullmatch(repository) is None:
        raise FormatError(f"not a valid repository name: {repository!r:.300}")


def is_tag(text: str) -> bool:
    """Return whether `text` is a valid tag."""
    return _TAG.fullmatch(text) is not None


def is_servable(repository: str) -> bool:
    """Return whether a registry can serve the repository: distribution's storage takes no colon in a path.

    With one in its storage, a registry cannot collect garbage either. Such names come from folders of
    `skopeo sync --scoped` out of a registry with a port; they can be packed, patched and restored.
    """
    return ":" not in repository


@dataclass(frozen=True, slots=True, order=True)
class ImageName:
    """A repository and a tag, both valid. Raises FormatError if they are not."""

    repository: str
    tag: str

    def __post_init__(self) -> None:
        check_repository(self.repository)
        if not is_tag(self.tag):
            raise FormatError(f"not a valid tag: {self.tag!r:.200} (repository {self.repository})")

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Return the name written as `repository:tag`. Raises FormatError, also if the tag is missing."""
        repository, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            raise FormatError(f"no tag in the image name {text!r:.400}: write repository:tag")
        return cls(repository, tag)

    @classmethod
    def by_digest(cls, repository: str, digest: Digest) -> ImageName:
        """Return the name of an image that has no tag. Raises FormatError."""
        return cls(repository, f"{_BY_DIGEST}{digest.hex}")

    @property
    def digest(self) -> Digest | None:
        """The digest that an image without a tag is known by, None for one with a tag."""
        hex_digits = self.tag.removeprefix(_BY_DIGEST)
        if hex_digits == self.tag:
            return None
        try:
            return Digest.from_hex(hex_digits)
        except FormatError:
            return None

    @property
    def has_derived_tag(self) -> bool:
        """Whether the tag follows from a digest: that of an image without a tag, or of what others refer to."""
        return _DERIVED_TAG.fullmatch(self.tag) is not None

    @property
    def reference(self) -> str:
        """The name as other tools write it: `repository:tag`, or `repository@digest` where there is no tag."""
        digest = self.digest
        return str(self) if digest is None else f"{self.repository}@{digest}"

    @classmethod
    def parse_reference(cls, text: str) -> tuple[ImageName, Digest | None]:
        """Return name and digest of `repository:tag`, `repository@digest` or both together. Raises FormatError."""
        name, at, digest_text = text.partition("@")
        if not at:
            return cls.parse(name), None
        digest = Digest.parse(digest_text)
        repository, colon, tag = name.rpartition(":")
        has_tag = colon and "/" not in tag
        return cls(repository, tag) if has_tag else cls.by_digest(name, digest), digest

    @classmethod
    def from_folder(cls, path: str) -> tuple[ImageName, Digest | None]:
        """Return the image that a `dir:` folder holds, by its path below the tree, and the digest that the path names.

        The last component is `NAME:TAG` or `NAME@DIGEST`, as `skopeo sync` writes it, or both; skopeo may nest a
        folder in one of its own name (`alpine:3.10.4/alpine:3.10.4`), which counts once. Raises FormatError.
        """
        parts = path.split("/")
        if len(parts) > 1 and parts[-1] == parts[-2]:
            del parts[-2]
        return cls.parse_reference("/".join(parts))

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"
