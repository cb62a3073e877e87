"""Whom a command or a root trusts, as a value: the contents of the files, and what is demanded beyond them."""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.errors import FormatError, TrustError
from airpatch.signing import MAX_SIGNATURES, NAMESPACE, allowed_signers, revocation
from airpatch.signing.policy import TRUST_NAMESPACE, Policy, Signer

MAX_PRINCIPALS = 64
"""Principals that may be asked for by name."""


@dataclass(frozen=True, slots=True)
class TrustedSigners:
    """`allowed_signers` and `revoked` are the contents of such files, `revoked` empty if there is none.

    `principals`: those whose signatures count, all of the file if there are none; `threshold` different ones must have
    signed. Raises FormatError if the files are malformed or the numbers make no sense.
    """

    allowed_signers: bytes
    revoked: bytes = b""
    principals: tuple[str, ...] = ()
    threshold: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= MAX_SIGNATURES:
            raise FormatError(f"a threshold of {self.threshold}; it must be from 1 to {MAX_SIGNATURES}")
        if len(self.principals) > MAX_PRINCIPALS or len(set(self.principals)) < len(self.principals):
            raise FormatError(f"principals are named twice, or are more than {MAX_PRINCIPALS}")
        self.policy()

    def policy(self) -> Policy:
        return Policy(
            allowed_signers.parse(self.allowed_signers),
            revocation.parse(self.revoked),
            self.principals,
            self.threshold,
        )

    def require(self, message: bytes, signatures: tuple[bytes, ...], time: float) -> list[Signer]:
        """Return the signers of an index, `message`. Raises TrustError; `time` is in seconds since 1970."""
        return self.policy().require(message, signatures, time, NAMESPACE)

    def require_successor(self, successor: TrustedSigners, signature: bytes, time: float) -> list[Signer]:
        """Return the trusted signers who signed that `successor` is trusted from now on.

        `signature` holds armored signatures, one after another, over the successor's allowed signers in the
        namespace `airpatch-trust`. Raises TrustError, also where the successor demands less: fewer signers, any
        principal, or none of the revoked keys that are known.
        """
        signers = self.policy().require(successor.allowed_signers, _split(signature), time, TRUST_NAMESPACE)
        weaker = [
            what
            for what, is_weaker in (
                ("a lower threshold", successor.threshold < self.threshold),
                ("other principals", not set(successor.principals or ("",)) <= set(self.principals or ("",))),
                ("other revoked keys", successor.revoked != self.revoked),
            )
            if is_weaker and not (what == "other principals" and not self.principals)
        ]
        if weaker:
            raise TrustError(
                f"{' and '.join(weaker)} cannot be authorized by a signature; the root's owner may use --force"
            )
        return signers


def _split(signatures: bytes) -> list[bytes]:
    """Split a file of armored signatures, one after another."""
    end = b"-----END SSH SIGNATURE-----\n"
    return [part + end for part in signatures.split(end) if part]
