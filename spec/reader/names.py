"""What names may look like (FORMAT.md, Names and Index)."""

import re
import unicodedata

from .errors import require

MANIFEST_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
ALL_MANIFESTS = MANIFEST_TYPES + INDEX_TYPES

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BY_DIGEST = re.compile(r"by-digest-([0-9a-f]{64})")


def check_repository(name: str) -> None:
    """Refuse what is no repository (FormatError)."""
    require(len(name) <= 255 and _REPOSITORY.fullmatch(name), f"no repository: {name!r}")


def check_tag(name: str, manifest: bytes) -> None:
    """Refuse what is no tag, or one that says by which other digest its image is known (FormatError)."""
    require(_TAG.fullmatch(name), f"no tag: {name!r}")
    by_digest = _BY_DIGEST.fullmatch(name)
    require(by_digest is None or by_digest[1] == manifest.hex(), "a tag by the digest of another manifest")


def check_title(name: str, least: int) -> None:
    """Refuse a name of a product, release or base that is too short, too long or not printable (FormatError)."""
    require(least <= len(name.encode()) <= 255, "a name that is too short or too long")
    printable = all(letter == " " or unicodedata.category(letter)[0] not in "CZ" for letter in name)
    require(printable, f"a name that is not printable: {name!r}")


def check_media_type(name: str) -> None:
    """Refuse what is no media type (FormatError)."""
    require(re.fullmatch(r"[\x20-\x7e]{1,255}", name), f"no media type: {name!r}")


def check_feature(name: str, version: str) -> None:
    """Refuse a feature that is not named, or not dated, as features are (FormatError)."""
    require(re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]{0,78}[\x21-\x7e])?", name), f"no feature: {name!r}")
    number = r"(?:0|[1-9][0-9]{0,5})"
    require(re.fullmatch(rf"{number}(?:\.{number}){{1,3}}", version), f"no version: {version!r}")
