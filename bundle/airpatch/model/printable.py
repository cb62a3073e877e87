"""Which text is printable (spec/FORMAT.md, Printable text): the same with every version of Python and of Unicode."""

from __future__ import annotations

import re
from functools import cache

_UNPRINTABLE = (
    "[\0-\x1f\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f\u2028-\u202f"
    "\u205f-\u2064\u2066-\u206f\u3000\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd"
    "\U00100000-\U0010fffd]"
)


def is_printable(text: str) -> bool:
    """Return whether `text` has no control, format, private or surrogate characters, and no space but U+0020."""
    return text.isprintable() if text.isascii() else _unprintable().search(text) is None


def printable(text: str) -> str:
    """Return `text` with a question mark for each character that is not printable."""
    return text if is_printable(text) else _unprintable().sub("?", text)


@cache
def _unprintable() -> re.Pattern[str]:
    """The pattern, which is compiled when a text first needs it."""
    return re.compile(_UNPRINTABLE)
