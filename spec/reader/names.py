"""What names may look like (FORMAT.md, Names, Index and Features)."""

import re
from collections.abc import Callable

from .canonical import Leaf

_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker"
MANIFEST_TYPES = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.distribution.manifest.v2+json")
INDEX_TYPES = (f"{_OCI}.index.v1+json", f"{_DOCKER}.distribution.manifest.list.v2+json")
CONFIG_TYPES = (f"{_OCI}.config.v1+json", f"{_DOCKER}.container.image.v1+json")
ALL_MANIFESTS = MANIFEST_TYPES + INDEX_TYPES

# FORMAT.md, Printable text
_CODES = (
    "0000-001F 007F-00A0 00AD 0600-0605 061C 06DD 070F 0890-0891 08E2 1680 180E 2000-200F 2028-202F 205F-2064 "
    "2066-206F 3000 D800-F8FF FEFF FFF9-FFFB 110BD 110CD 13430-1343F 1BCA0-1BCA3 1D173-1D17A E0001 E0020-E007F "
    "F0000-FFFFD 100000-10FFFD"
)
_PRINTABLE = "[^" + re.sub("[0-9A-F]+", lambda code: f"\\U{code[0]:0>8}", _CODES).replace(" ", "") + "]*"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = rf"(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
_NUMBER = "(?:0|[1-9][0-9]{0,5})"


def _matching(pattern: str, least: int, most: int) -> Callable[[str], object]:
    """Whether text matches the pattern and has so many bytes."""
    whole = re.compile(pattern)
    return lambda text: len(text) <= most and whole.fullmatch(text) and least <= len(text.encode()) <= most


TITLE = Leaf(str, "printable name", _matching(_PRINTABLE, 1, 255))
BASE_NAME = Leaf(str, "printable name", _matching(_PRINTABLE, 0, 255))
MEDIA_TYPE = Leaf(str, "media type", _matching("[ -~]+", 1, 255))
FEATURE = Leaf(str, "feature", _matching("[!-~](?:[ -~]*[!-~])?", 1, 80))
FEATURE_VERSION = Leaf(str, "version", _matching(rf"{_NUMBER}(?:\.{_NUMBER}){{1,3}}", 3, 27))
TAG = Leaf(str, "tag", _matching("[A-Za-z0-9_][A-Za-z0-9_.-]*", 1, 128))
REPOSITORY = Leaf(str, "repository", _matching(_REPOSITORY, 1, 255))
