"""Reads the files that say whom to trust."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.errors import FormatError, UsageError, unreadable
from airpatch.linux import read_start
from airpatch.operations.arguments import StrPath
from airpatch.signing.file_sizes import MAX_ALLOWED_SIGNERS, MAX_REVOKED
from airpatch.units import count

if TYPE_CHECKING:
    from airpatch.archive.opening import Opening
    from airpatch.signing.policy import Signer
    from airpatch.signing.trusted import TrustedSigners
    from airpatch.sources.source import Source


def trusted_signers(
    allowed_signers: StrPath,
    *,
    revoked: StrPath | None = None,
    principals: Sequence[str] = (),
    threshold: int = 1,
) -> TrustedSigners:
    """Whom to trust: the signers in a file in the format of OpenSSH's `allowed_signers`, except the `revoked` keys.

    `revoked` is a file as `ssh-keygen -Y verify -r` takes it. With `principals`, only theirs count; `threshold`
    different principals must have signed. Raises UsageError if a file cannot be read or the file allows too few
    principals to satisfy the demand, FormatError, naming the file and the line, if one is malformed.
    """
    # Imported here, because most commands demand no signatures.
    from airpatch.signing import allowed_signers as allowed_signers_file
    from airpatch.signing import revocation
    from airpatch.signing.trusted import TrustedSigners

    signers = read_limited(allowed_signers, MAX_ALLOWED_SIGNERS)
    keys = b"" if revoked is None else read_limited(revoked, MAX_REVOKED)
    if signers.startswith(b"-----BEGIN"):
        raise FormatError(f"{allowed_signers}: is a key or a signature, where a file of allowed signers is expected")
    try:
        allowed_signers_file.parse(signers)
    except FormatError as error:
        raise FormatError(f"{allowed_signers}: {error.message}") from None
    try:
        revocation.parse(keys)
    except FormatError as error:
        raise FormatError(f"{revoked}: {error.message}") from None
    try:
        trusted = TrustedSigners(signers, keys, tuple(principals), threshold)
    except FormatError as error:
        raise UsageError(error.message) from None
    most = trusted.policy().most_principals()
    if most is not None and most < threshold:
        asked = f" called {' or '.join(principals)}" if principals else ""
        found = count(most, "principal") if most else "no principal"
        raise UsageError(
            f"{allowed_signers}: has keys of {found}{asked}, but {count(threshold, 'principal')} must sign, so no "
            "bundle could be accepted"
        )
    return trusted


def require_signed(trusted: TrustedSigners | None, opening: Opening, name: str) -> tuple[Signer, ...]:
    """Return which of the `trusted` signed the bundle `name`; nobody if `trusted` is None, which demands no signatures.

    Raises TrustError unless they suffice at the time of this host's clock.
    """
    return opening.require_signed(trusted, name, time.time())


def require_valid(trusted: TrustedSigners | None, opening: Opening, name: str) -> None:
    """Raise TrustError unless the bundle `name` is signed as `trusted` demands, and its release has not expired."""
    require_signed(trusted, opening, name)
    opening.require_fresh(name, time.time())


def require_valid_source(trusted: TrustedSigners | None, source: Source, purpose: str) -> None:
    """Raise TrustError as `require_valid` does if `source` is a bundle. Raises UsageError, naming what it is opened
    for, if signatures are demanded of another source.
    """
    if source.opening is not None:
        require_valid(trusted, source.opening, source.name)
    elif trusted is not None:
        raise UsageError(f"--trust is for {purpose}: other sources carry no signatures")


def read_limited(path: StrPath, limit: int) -> bytes:
    """Return the content of a small file. Raises UsageError if it cannot be read or has more than `limit` bytes."""
    try:
        content = read_start(Path(path), limit + 1)
    except OSError as error:
        raise unreadable(str(path), error) from None
    if len(content) > limit:
        raise UsageError(f"{path}: has more than {limit} bytes")
    return content
