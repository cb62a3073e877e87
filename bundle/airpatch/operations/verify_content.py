"""Checks every byte of a bundle or of a registry's root, and collects all findings."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.open_bundles import STDIN, holds_parts, is_bundle, open_bundles
from airpatch.blobs.output import destination
from airpatch.blobs.scratch import with_scratch
from airpatch.errors import AirpatchError, FormatError, IntegrityError, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.format.digest_list import emit_digest_list
from airpatch.format.index import Index
from airpatch.format.registry import STORAGE
from airpatch.layers.proof import prove
from airpatch.linux import is_file, is_folder, real_path
from airpatch.operations.arguments import Paths, StrPath, at_least_one, check_apart
from airpatch.operations.trusted_files import require_signed
from airpatch.units import count

if TYPE_CHECKING:
    from airpatch.archive.opening import Opening
    from airpatch.layers.proof import Base
    from airpatch.signing.policy import Signer
    from airpatch.signing.trusted import TrustedSigners
    from airpatch.target.audit import VerifiedRoot


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle whose every byte is correct. `patches_proved`: its layer patches were carried out, too."""

    name: str
    index: Index
    patches_proved: bool
    signers: tuple[Signer, ...] = ()
    """Those whose signatures were demanded and counted."""
    warnings: tuple[str, ...] = ()


def verify(
    subject: Paths,
    *,
    base: StrPath | None = None,
    request: StrPath | None = None,
    trusted: TrustedSigners | None = None,
    manifest: StrPath | None = None,
    execution: Execution | None = None,
) -> VerifiedBundle | VerifiedRoot:
    """Check every byte of a bundle or of a registry's root, and find everything that is wrong.

    `subject` is a bundle's file, its parts or their folders, a damaged copy and its top-up, `-` for standard input, or
    the directory that holds `docker/registry/v2`. The layer patches of a full bundle are carried out, those of a patch
    if there is a `base`: a full bundle or a root that has what the patch builds upon. With `trusted`, a bundle must be
    signed accordingly, and in any case its release must not have expired. If a bundle is correct, the digests of every
    blob and detached signature of its release are written to `manifest`, for `sha256sum -c` in the root that has the
    release; `-` is standard output. If the bundle, a file, is damaged or cut short, a list of what is damaged or
    missing is written to the file `request`, for `topup` at the sender; parts need none. If nothing can be asked for, a
    request that an earlier run has left there is removed. Scratch files lie in the
    current folder, or beside the bundle if the current folder is not writable.

    Raises FormatError or IntegrityError with all findings, BaseMismatch if the patch does not fit `base`, TrustError,
    TargetError, UsageError, also for a full bundle with a `base`.
    """
    given = at_least_one(subject, "verify")
    for output in (request, manifest):
        if output is not None:
            check_apart(output, given, base)
    name = given[0]
    for each in given if len(given) > 1 else ():
        if is_folder(Path(each, STORAGE)):
            raise UsageError(f"{each}: is a registry's root: verify it alone")
    execution = with_scratch(execution or Execution(), _scratch_folder(Path(name)))
    if len(given) > 1 or not is_folder(Path(name)) or is_bundle(Path(name)):
        with ExitStack() as stack:
            sink = None if manifest is None else stack.enter_context(destination(os.fspath(manifest)))
            try:
                verified = _bundle(given, base, trusted, execution, may_ask=request is None and _is_one_file(given))
            except (FormatError, IntegrityError) as error:
                if request is not None:
                    for note in _request(given, Path(request), execution):
                        error.add_note(note)
                raise
            if sink is not None:
                sink.write([emit_digest_list(verified.index.release)])
        return verified if request is None else replace(verified, warnings=_withdraw(request))
    if request is not None:
        raise UsageError("--request is for verifying a bundle; for what a root lacks, use 'apply --request'")
    if manifest is not None:
        raise UsageError("--manifest is for verifying a bundle: it says what a root must hold")
    if base is not None:
        raise UsageError("--base is for verifying a patch")
    if trusted is not None:
        raise UsageError("--trust is for verifying a bundle: a root does not keep signatures")
    return _root(Path(name), execution)


def _scratch_folder(subject: Path) -> Path:
    """Return where scratch files go: the current folder, or the bundle's if that one is not writable."""
    folders = [Path.cwd(), real_path(subject).parent]
    return next((folder for folder in folders if os.access(folder, os.W_OK | os.X_OK)), folders[0])


def _is_one_file(given: Sequence[str]) -> bool:
    return len(given) == 1 and given[0] != STDIN and is_file(Path(given[0])) and not holds_parts(Path(given[0]))


def _bundle(
    given: Sequence[str], base: StrPath | None, trusted: TrustedSigners | None, execution: Execution, *, may_ask: bool
) -> VerifiedBundle:
    signers: list[Signer] = []

    def demand(opening: Opening) -> None:
        signers.extend(require_signed(trusted, opening, reader.name))
        if base is not None and opening.index.is_full:
            raise UsageError(f"{reader.name}: is a full bundle, which needs no --base")

    with ExitStack() as stack:
        reader, *others = [stack.enter_context(closing(each)) for each in open_bundles(given, execution.ask)]
        if others:
            raise UsageError(f"{others[0].name}: is another bundle than {reader.name}: verify one at a time")
        checked = prove(
            reader,
            execution,
            None if base is None else _base(os.fspath(base), execution),
            demand,
        )
    if checked.findings:
        raise _error(reader.name, checked.findings, may_ask=may_ask)
    checked.opening.require_fresh(reader.name, time.time())
    index = checked.index
    carried_out = bool(index.patched) and (index.is_full or base is not None)
    return VerifiedBundle(reader.name, index, carried_out, tuple(signers))


def _request(given: Sequence[str], request: Path, execution: Execution) -> Sequence[str]:
    """Write a request for what the bundle `given` lacks, if one can be made, and return what to do next."""
    if not _is_one_file(given):
        why = "as a request is for a bundle in one file; of parts, copy those named again"
        return (*_withdraw(request), f"{request}: not written, {why}")
    # Imported here, because most bundles are undamaged.
    from airpatch.operations.complete_copy import request_damaged

    asked = request_damaged(Path(given[0]), request, execution)
    if asked is not None:
        return (asked,)
    why = f"since every frame of {given[0]} is intact; copy the whole file again"
    return (*_withdraw(request), f"{request}: not written, {why}")


def _withdraw(request: StrPath) -> tuple[str, ...]:
    from airpatch.operations.old_requests import remove_old_request  # here, since few ask

    return tuple(remove_old_request(request))


def _base(name: str, execution: Execution) -> Base:
    # Imported here, because most bundles are verified without a base.
    from airpatch.patches.bases import patch_sources

    return lambda index: patch_sources(name, index, execution)


def _error(name: str, errors: Sequence[AirpatchError], *, may_ask: bool) -> AirpatchError:
    """Return one error with all findings: IntegrityError if the bundle is well-formed, else FormatError.

    `may_ask` is whether a request for what the bundle lacks is a way out that has not been taken yet.
    """
    kind = FormatError if any(isinstance(error, FormatError) for error in errors) else IntegrityError
    findings = [text.removeprefix(f"{name}: ") for error in errors for text in (error.message, *error.findings)]
    found = count(len(findings), "finding")
    ask = ", or ask with --request FILE for what it lacks" if may_ask else ""
    return kind(f"{name}: is damaged, {found}; copy it again{ask}", findings)


def _root(path: Path, execution: Execution) -> VerifiedRoot:
    from airpatch.store.store_address import is_store_folder
    from airpatch.target.audit import audit_root  # not needed for a bundle
    from airpatch.target.new_root import check_place
    from airpatch.target.root import open_root

    if not is_folder(path / STORAGE):
        if is_store_folder(path):
            raise UsageError(f"{path}: is a store of releases: 'airpatch store verify' checks it")
        check_place(path)
        raise UsageError(f"{path}: is neither a bundle nor a registry's root (which holds {STORAGE})")
    with open_root(path) as root:
        verified = audit_root(root, execution)
    error: AirpatchError
    if verified.findings:
        error = IntegrityError(
            f"{path}: {count(len(verified.findings), 'finding')}", (*verified.findings, *verified.obstacles)
        )
    elif verified.obstacles:
        error = TargetError(f"{path}: not all of it could be checked", verified.obstacles)
    else:
        return verified
    for note in verified.notes:
        error.add_note(note)
    raise error
