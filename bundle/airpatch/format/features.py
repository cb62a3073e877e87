"""Names of features, and the versions of airpatch that brought them (spec/FORMAT.md, Features)."""

from __future__ import annotations

import re

MAX_FEATURE = 80
"""Characters in the name of a feature."""
_NAME = re.compile(rf"[!-~]([ -~]{{0,{MAX_FEATURE - 2}}}[!-~])?")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,3}")


def encoder_feature(encoder: str) -> str:
    """Return the name of the feature that an encoder is."""
    return f"encoder {encoder}"


def view_feature(framing: str) -> str:
    """Return the name of the feature that a framing of views is."""
    return f"view {framing}"


def is_feature(name: str) -> bool:
    """Return whether `name` may be that of a feature: printable ASCII that neither begins nor ends with a space."""
    return _NAME.fullmatch(name) is not None


def is_version(text: str) -> bool:
    """Return whether `text` is a version: two to four numbers below 1000000, with dots between them."""
    return _VERSION.fullmatch(text) is not None
