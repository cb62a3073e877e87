"""Words of large tables, asked for before they are used. Compiled modules use prefetch.pxd instead."""

from __future__ import annotations

from collections.abc import Sequence


def fetch(words: Sequence[int], at: int) -> None:
    """Begin to bring `words[at]` near: words by hashes lie all over the memory, and each would be waited for.

    Nothing but time depends on it, and only where it is compiled.
    """
