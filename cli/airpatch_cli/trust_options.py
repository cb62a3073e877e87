"""Turns the options about trust into the values that the library takes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import airpatch

if TYPE_CHECKING:
    from airpatch import TrustedSigners


def trusted(args: Namespace) -> TrustedSigners | None:
    """Return the signers that `--trust` and its companions name; None without it. Raises UsageError, FormatError."""
    if args.trust is None:
        return None
    return read_signers(args.trust, args)


def read_signers(allowed_signers: Path, args: Namespace) -> TrustedSigners:
    """Return the signers in a file, restricted by the options beside it."""
    return airpatch.trusted_signers(
        allowed_signers, revoked=args.revoked, principals=args.principals, threshold=args.threshold or 1
    )
