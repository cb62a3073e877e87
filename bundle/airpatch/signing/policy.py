"""Whose signatures a reader demands, and whether those over a message suffice.

1. A signature counts if its namespace is the one that is asked for, its key or its certificate's authority stands in
   the allowed signers for that namespace and this time, neither is revoked, and it is a signature of the message.
2. Signatures of principals that are not asked for, or by unknown keys, do not count and do no harm.
3. `threshold` different principals must have signed. A line with several principals counts as one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from airpatch.errors import AirpatchError, TrustError
from airpatch.signing import MAX_SIGNATURES, NAMESPACE, certificates, sshsig
from airpatch.signing.allowed_signers import AllowedSigner, matches
from airpatch.signing.certificates import Certificate
from airpatch.signing.public_keys import PublicKey
from airpatch.signing.revocation import RevokedKeys
from airpatch.signing.sshsig import Signature

Sign = Callable[[bytes, str], bytes]
"""Makes the armored signature of a message, the first argument, in a namespace, the second."""

TRUST_NAMESPACE = "airpatch-trust"
"""Of signatures over the allowed signers that a root is to have from now on."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made a signature that counts. `principals` are those of the line or certificate that allow it."""

    principals: tuple[str, ...]
    fingerprint: str

    def __str__(self) -> str:
        return f"{', '.join(self.principals)} ({self.fingerprint})"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is demanded. `principals`: those whose signatures count, all if there are none."""

    allowed: Sequence[AllowedSigner]
    revoked: RevokedKeys
    principals: tuple[str, ...] = ()
    threshold: int = 1

    def require(
        self, message: bytes, signatures: Sequence[bytes], time: float, namespace: str = NAMESPACE
    ) -> list[Signer]:
        """Return the signers of `message`, whose armored `signatures` are given; `time` in seconds since 1970.

        Raises TrustError, with the reason why each of the others does not count, unless there are enough.
        """
        signers: list[Signer] = []
        reasons: list[str] = []
        for number, text in enumerate(signatures, 1):
            try:
                signers.append(self._check(sshsig.parse(text), message, time, namespace))
            except AirpatchError as error:
                reasons.append(f"signature {number}: {error.message}")
        count = _different([signer.principals for signer in signers])
        if count >= self.threshold:
            return signers
        by = f" by {' or '.join(self.principals)}" if self.principals else ""
        wanted = f"a signature{by} is" if self.threshold == 1 else f"signatures of {self.threshold} principals{by} are"
        if not signatures:
            raise TrustError(f"is not signed; {wanted} required")
        given = len(signatures)
        if given == 1:
            counting = "there is only one" if count else "its only signature does not count"
        else:
            counting = f"{count or 'none'} of its {given} signatures count{'' if count > 1 else 's'}"
        raise TrustError(f"{wanted} required, but {counting}", reasons)

    def most_principals(self) -> int | None:
        """Return how many different principals can sign a bundle, 16 at most; None if an authority may certify any."""
        if any(line.is_authority for line in self.allowed):
            return len(self.principals) or None
        names: dict[PublicKey, list[str]] = {}
        for line in self.allowed:
            names.setdefault(line.key, []).extend(self._asked_for(line.principals.split(","), line.principals))
        return _different(list(names.values()))

    def revokes_all(self) -> bool:
        """Return whether the keys of all allowed signers are revoked: nothing is accepted then, whoever signs it."""
        return all(self.revoked.holds(line.key) for line in self.allowed)

    def _check(self, signature: Signature, message: bytes, time: float, namespace: str) -> Signer:
        if signature.namespace != namespace:
            raise TrustError(f"is for the namespace {signature.namespace!r:.60}, not {namespace!r}")
        key: PublicKey | Certificate
        if certificates.is_certificate(signature.public_key):
            key = certificates.parse(signature.public_key)
            signer = self._certified(key, time, namespace)
            plain = key.key
        else:
            key = plain = PublicKey(signature.public_key)
            signer = self._listed(key, time, namespace)
        plain.verify(signature.blob, signature.signed_data(message))
        return signer

    def _listed(self, key: PublicKey, time: float, namespace: str) -> Signer:
        if self.revoked.holds(key):
            raise TrustError(f"its key {key.fingerprint} is revoked")
        names: dict[str, None] = {}
        for line in self._lines(key, False, time, namespace):
            names |= dict.fromkeys(self._asked_for(line.principals.split(","), line.principals))
        if not names:
            raise TrustError(self._why_not(key, False, time, namespace))
        return Signer(tuple(names), key.fingerprint)

    def _certified(self, certificate: Certificate, time: float, namespace: str) -> Signer:
        if self.revoked.holds_certificate(certificate):
            raise TrustError(f"its certificate {certificate.key_id!r:.100} is revoked")
        certificate.require_valid(time)
        names: dict[str, None] = {}
        for line in self._lines(certificate.authority, True, time, namespace):
            allowed = [name for name in certificate.principals if matches(name, line.principals)]
            names |= {name: None for name in allowed if not self.principals or name in self.principals}
        if not names:
            raise TrustError(self._why_not(certificate.authority, True, time, namespace))
        return Signer(tuple(names), certificate.key.fingerprint)

    def _lines(self, key: PublicKey, is_authority: bool, time: float, namespace: str) -> Iterator[AllowedSigner]:
        for line in self.allowed:
            stands = (line.key, line.is_authority) == (key, is_authority)
            if stands and line.allows_namespace(namespace) and line.is_valid(time):
                yield line

    def _asked_for(self, names: Sequence[str], patterns: str) -> list[str]:
        """Return the principals of a line that count: what it names, or what was asked for and matches it."""
        if self.principals:
            return [principal for principal in self.principals if matches(principal, patterns)]
        return [name for name in names if name and not name.startswith("!")]

    def _why_not(self, key: PublicKey, is_authority: bool, time: float, namespace: str) -> str:
        lines = [line for line in self.allowed if (line.key, line.is_authority) == (key, is_authority)]
        what = f"its {'authority' if is_authority else 'key'} {key.fingerprint}"
        if not lines:
            return f"{what} is not among the allowed signers"
        if not any(line.is_valid(time) for line in lines):
            return f"{what} is not valid at this time by this host's clock"
        if not any(line.allows_namespace(namespace) for line in lines):
            return f"{what} is not allowed for the namespace {namespace!r}"
        return f"{what} belongs to none of the demanded principals"


def _different(choices: Sequence[Sequence[str]]) -> int:
    """Return how many different names can be given when each signature takes one of its own (a maximum matching).

    A bundle has 16 signatures, so more are not counted.
    """
    owner: dict[str, int] = {}

    def place(index: int, seen: set[str]) -> bool:
        for name in choices[index]:
            if name not in seen:
                seen.add(name)
                if name not in owner or place(owner[name], seen):
                    owner[name] = index
                    return True
        return False

    for index in range(len(choices)):
        if len(owner) < MAX_SIGNATURES:  # so a call never goes deeper, however many lines of a file share names
            place(index, set())
    return len(owner)
