"""What names may look like (FORMAT.md, Names and Index)."""

import re

from .errors import require

MANIFEST_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
ALL_MANIFESTS = MANIFEST_TYPES + INDEX_TYPES

# FORMAT.md, Printable text
_CODES = (
    "0000-001F 007F-00A0 00AD 0600-0605 061C 06DD 070F 0890-0891 08E2 1680 180E 2000-200F 2028-202F 205F-2064 "
    "2066-206F 3000 D800-F8FF FEFF FFF9-FFFB 110BD 110CD 13430-1343F 1BCA0-1BCA3 1D173-1D17A E0001 E0020-E007F "
    "F0000-FFFFD 100000-10FFFD"
)
_UNPRINTABLE = re.compile("[" + re.sub("[0-9A-F]+", lambda code: f"\\U{code[0]:0>8}", _CODES).replace(" ", "") + "]")
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
    require(_UNPRINTABLE.search(name) is None, f"a name that is not printable: {name!r}")


def check_media_type(name: str) -> None:
    """Refuse what is no media type (FormatError)."""
    require(re.fullmatch(r"[\x20-\x7e]{1,255}", name), f"no media type: {name!r}")


def check_feature(name: str, version: str) -> None:
    """Refuse a feature that is not named, or not dated, as features are (FormatError)."""
    require(re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]{0,78}[\x21-\x7e])?", name), f"no feature: {name!r}")
    number = r"(?:0|[1-9][0-9]{0,5})"
    require(re.fullmatch(rf"{number}(?:\.{number}){{1,3}}", version), f"no version: {version!r}")
