"""A content digest: the sha256 of a blob, as a value of its own.

Only `sha256` is known, as in the registries that airpatch meets (OCI image-spec `descriptor.md`, Digests). A
digest in text form is `sha256:` and 64 lower-case hex digits, nothing else.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from airpatch.errors import FormatError

SIZE = 32
_TEXT = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FEWEST = 4
"""Digits that mean a digest: fewer are a mistyped version sooner than that."""


def is_hex(text: str) -> bool:
    """Return whether `text` is the hex form of a digest, as in file names."""
    return _HEX.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The 32 bytes of a sha256."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != SIZE:
            raise FormatError(f"a sha256 digest has {SIZE} bytes, not {len(self.raw)}")

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Return the digest written as `sha256:<64 hex>`. Raises FormatError for anything else."""
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise FormatError(f"not a sha256 digest: {text!r:.100}")
        return cls(bytes.fromhex(match[1]))

    @classmethod
    def from_hex(cls, text: str) -> Digest:
        """Return the digest written as 64 lower-case hex digits, as in file names. Raises FormatError."""
        if _HEX.fullmatch(text) is None:
            raise FormatError(f"not the hex form of a sha256: {text!r:.100}")
        return cls(bytes.fromhex(text))

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """Return the digest of `content`."""
        return cls(hashlib.sha256(content).digest())

    @property
    def hex(self) -> str:
        return self.raw.hex()

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self.raw.hex()[:12]

    def is_meant_by(self, text: str) -> bool:
        """Return whether `text` is the beginning of either text form, with four digits or more."""
        digits = text.removeprefix("sha256:")
        return len(digits) >= _FEWEST and self.hex.startswith(digits)

    def __str__(self) -> str:
        return f"sha256:{self.raw.hex()}"
