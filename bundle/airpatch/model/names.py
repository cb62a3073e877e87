"""Names of images: repository and tag, their grammar, and the folder names that skopeo gives them.

The grammar is distribution's `reference` package: a repository is lower-case components joined by `/`, its first
component may be a host with a port; 255 bytes at most. A tag is a word of at most 128 characters. Everything that
becomes a path is checked here, on the way in and on the way out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airpatch.errors import FormatError

MAX_REPOSITORY = 255
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def check_repository(repository: str) -> None:
    """Raise FormatError unless `repository` is a valid name."""
    if len(repository) > MAX_REPOSITORY or _REPOSITORY.fullmatch(repository) is None:
        raise FormatError(f"not a valid repository name: {repository!r:.300}")


def is_servable(repository: str) -> bool:
    """Whether a registry can serve the repository: distribution's storage takes no colon in a path.

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
        if _TAG.fullmatch(self.tag) is None:
            raise FormatError(f"not a valid tag: {self.tag!r:.200} (repository {self.repository})")

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """The name written as `repository:tag`. Raises FormatError, also if the tag is missing."""
        repository, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            raise FormatError(f"no tag in the image name {text!r:.400}: write repository:tag")
        return cls(repository, tag)

    @classmethod
    def from_folder(cls, path: str) -> ImageName:
        """The image that a `dir:` folder holds, by its path below the tree.

        The tag stands after the last colon of the last component; `skopeo sync` may nest a folder in one of its
        own name (`alpine:3.10.4/alpine:3.10.4`), which counts once. Raises FormatError.
        """
        parts = path.split("/")
        if len(parts) > 1 and parts[-1] == parts[-2]:
            del parts[-2]
        return cls.parse("/".join(parts))

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"
