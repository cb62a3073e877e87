"""Why a form whose size its content says cannot be read yet."""

from __future__ import annotations

from airpatch.errors import FormatError


class CutShort(FormatError):
    """It has not ended where its bytes do, or the part that holds something of it."""
