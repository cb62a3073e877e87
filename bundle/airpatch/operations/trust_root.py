"""Whose signatures a root demands from now on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from airpatch.errors import TargetError, TrustError
from airpatch.operations.arguments import StrPath
from airpatch.operations.trusted_files import read_limited
from airpatch.signing import MAX_SIGNATURE, MAX_SIGNATURES
from airpatch.signing.policy import Signer
from airpatch.signing.trusted import TrustedSigners
from airpatch.target.new_root import check_target
from airpatch.target.root import Root
from airpatch.target.root_trust import TRUST, emit_trust, stored_trust
from airpatch.target.state import locked


@dataclass(frozen=True, slots=True)
class RootTrust:
    """Whom `root` trusts from now on, and who signed for that; nobody on the first call, or by force.

    `is_new`: the root's folder was not there before.
    """

    root: Path
    trusted: TrustedSigners
    signers: tuple[Signer, ...]
    is_new: bool = False


def trust(
    root: StrPath, trusted: TrustedSigners, *, signature: StrPath | None = None, force: bool = False
) -> RootTrust:
    """Make the registry's storage `root` demand signatures by `trusted` (`trusted_signers`) from now on.

    The first time, anybody who may write to the root decides. Later, `signature` must be a file of armored signatures
    over the new allowed signers in namespace `airpatch-trust`, by signers whom the root trusts now; the root's owner
    may use `force` instead. Raises TrustError, TargetError, FormatError, and UsageError if `root` is a
    folder of other things.
    """
    path = Path(root)
    check_target(path)
    with Root(path, create=True) as opened, locked(opened) as state:
        signers: tuple[Signer, ...] = ()
        if force:
            _require_owner(path)
        else:
            before = stored_trust(opened)
            if before is not None and before != trusted:
                signers = _signers_of_change(before, trusted, signature)
        state.replace_trust(TRUST, emit_trust(trusted), tuple(map(str, signers)))
        is_new = opened.is_new
    return RootTrust(path, trusted, signers, is_new)


def _signers_of_change(before: TrustedSigners, after: TrustedSigners, signature: StrPath | None) -> tuple[Signer, ...]:
    if signature is None or not Path(signature).exists():
        where = f", in {signature}" if signature is not None else ""
        raise TrustError(
            "the root already trusts others, who must sign the new file (ssh-keygen -Y sign -n airpatch-trust)"
            f"{where}; or its owner uses --force"
        )
    content = read_limited(signature, MAX_SIGNATURES * MAX_SIGNATURE)
    return tuple(before.require_successor(after, content, time.time()))


def _require_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise TargetError(f"{path}: belongs to user {owner}, and only this user may use --force")
