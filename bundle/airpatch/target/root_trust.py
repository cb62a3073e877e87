"""Whose signatures a root demands permanently: one file in `ROOT/.airpatch/` (spec/TARGET.md, Trust).

Where it is there, every bundle must be signed as it says before anything of the bundle is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airpatch.errors import FormatError, TargetError
from airpatch.format import canonical
from airpatch.format.layout import HOME
from airpatch.model.digest import Digest
from airpatch.signing.file_sizes import MAX_ALLOWED_SIGNERS, MAX_REVOKED
from airpatch.target.history import History
from airpatch.target.root import Root
from airpatch.target.state import HISTORY

if TYPE_CHECKING:
    from airpatch.signing.trusted import TrustedSigners

TRUST = f"{HOME}/trust"
TRUST_VERSION = 1
MAX_TRUST = MAX_ALLOWED_SIGNERS + MAX_REVOKED + (64 << 10)
"""Bytes: both files, and room for principals."""


def emit_trust(trusted: TrustedSigners) -> bytes:
    """Return the content of the file."""
    return canonical.pack(
        {
            "airpatch": TRUST_VERSION,
            "allowed_signers": trusted.allowed_signers,
            "revoked": trusted.revoked,
            "principals": list(trusted.principals),
            "threshold": trusted.threshold,
        }
    )


def parse_trust(content: bytes) -> TrustedSigners:
    """Parse what `emit_trust` made. Raises FormatError."""
    from airpatch.signing.trusted import TrustedSigners  # most roots demand no signatures

    plain = canonical.unpack(content, "the trusted signers")
    match plain:
        case {
            "airpatch": int(version),
            "allowed_signers": bytes(allowed),
            "revoked": bytes(revoked),
            "principals": list(principals),
            "threshold": int(threshold),
        } if (
            version == TRUST_VERSION
            and not isinstance(threshold, bool)
            and all(isinstance(name, str) for name in principals)
        ):
            trusted = TrustedSigners(allowed, revoked, tuple(principals), threshold)
            if emit_trust(trusted) == content:
                return trusted
    raise FormatError("not the trusted signers of a root, or in an unknown version of their format")


def history_remarks(root: Root, found: History) -> Iterator[str]:
    """Yield remarks on what is unusual but harmless in the history `found` of `root`."""
    if found.torn:
        yield f"{root.path / HISTORY}: its last line was cut short by a crash, and is ignored"
    recorded = next((event.trust for event in reversed(found.events) if event.trust is not None), None)
    content = root.read(TRUST, MAX_TRUST)
    if recorded != (None if content is None else Digest.of(content)):
        yield f"{root.path / TRUST}: is not the file that the history records; renew it with airpatch trust --force"


def stored_trust(root: Root) -> TrustedSigners | None:
    """Whom `root` trusts; None if it demands no signatures.

    Raises TargetError if the file cannot be read: a demand that is not understood is not a demand that is not there.
    """
    content = root.read(TRUST, MAX_TRUST)
    if content is None:
        return None
    try:
        return parse_trust(content)
    except FormatError as error:
        raise TargetError(f"{root.path / TRUST}: {error.message}; put the trusted signers back with --force") from None
