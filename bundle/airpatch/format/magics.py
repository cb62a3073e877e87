"""What the files that airpatch writes beside bundles begin with, so that they can be told apart."""

PART = b"\x89AIRPART"
"""A part of a file that was split (spec/PARTS.md)."""
DAMAGE_REQUEST = b"\x89AIRWANT"
"""A request for the damaged bytes of a bundle (spec/PARTS.md, Top-ups)."""
TOP_UP = b"\x89AIRGIVE"
"""The answer to it."""
PLAN = b"\x89AIRPLAN"
"""A plan of patches (spec/STORE.md)."""
RECORD = b"\x89AIRNOTE"
"""A record of a store (spec/STORE.md)."""
_FIRST_KEY = b"\xa8airpatch"
"""Of an inventory or a request. It follows the sha256 and the one byte that counts the keys."""
_SHA256 = 32
HEAD = (128 << 10) + 64
"""Bytes of a file that suffice to say what it is: zstd decompresses no block of 128 KiB before it is whole."""


def begins_inventory(content: bytes) -> bool:
    """Return whether what begins, uncompressed, with `content` says of itself that it is an inventory or a request."""
    return content[_SHA256 + 1 :].startswith(_FIRST_KEY)
