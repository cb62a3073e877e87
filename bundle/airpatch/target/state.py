"""What airpatch keeps on a target, in `ROOT/.airpatch/`: lock, staging, journal, receipts, history (spec/TARGET.md).

    lock              held with flock by whoever changes the root
    staging/          files on their way; swept by whoever gets the lock
    journal           the receipt of a release whose links are being written
    releases/ID       receipts of installed releases, ID being the release id in hex
    kept/HEX          their detached signatures, HEX being the digest (`signatures`)
    history           what was done, one line for each event (`history`); a product's last apply or rollback is current
    trust             whose signatures the root demands (`root_trust`)

None of this lies where a registry looks.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from airpatch import limits
from airpatch.blobs.output import write_error
from airpatch.errors import FormatError, TargetError, UsageError, located
from airpatch.format.layout import HOME, RELEASES
from airpatch.format.receipts import Receipt, emit_receipt, parse_receipt
from airpatch.format.release_part import release_id
from airpatch.linux import close_read
from airpatch.model.digest import Digest
from airpatch.model.release import DEFAULT_PRODUCT, Release
from airpatch.target.history import (
    Action,
    Event,
    History,
    Outcome,
    Subject,
    appended,
    parse_history,
    recordable,
)
from airpatch.target.root import Root
from airpatch.target.root_reader import STAGING

LOCK = f"{HOME}/lock"
JOURNAL = f"{HOME}/journal"
HISTORY = f"{HOME}/history"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a release comes to be published: by which action and bundle (its sha256), and whose signatures counted."""

    action: Action = Action.APPLY
    bundle: Digest | None = None
    signers: tuple[str, ...] = ()


def receipts(root: Root) -> dict[Digest, Receipt]:
    """Return the releases installed on `root`, by release id. Raises TargetError if a receipt is damaged, FormatError
    if all are larger than `limits.RECEIPTS`.
    """
    found = {}
    size = 0
    for name in root.names(RELEASES):
        path = f"{RELEASES}/{name}"
        size += min(root.size(path) or 0, limits.INDEX.value)
        if size > limits.RECEIPTS.value:
            raise FormatError(f"{root.path / RELEASES}: receipts of more than {limits.RECEIPTS} bytes in all")
        receipt = _read_receipt(root, path)
        if receipt is None or receipt.id.hex != name:
            raise TargetError(f"{root.path / path}: is not the receipt of the release it is named after; remove it")
        found[receipt.id] = receipt
    return found


def interrupted(root: Root) -> Receipt | None:
    """Return the release whose apply did not reach its end."""
    return _read_receipt(root, JOURNAL)


def history(root: Root) -> History:
    """Return what was done to `root`. Raises IntegrityError if its chain is broken, FormatError, TargetError."""
    path = str(root.path / HISTORY)
    with located(path):
        return parse_history(root.read(HISTORY, limits.HISTORY.value) or b"")


def all_current(root: Root) -> dict[str, Digest]:
    """Return for each product the id of its current release: the one that was applied or rolled back to last."""
    return history(root).current()


def current(root: Root, product: str = DEFAULT_PRODUCT) -> Digest | None:
    """Return the id of the current release of `product`, if it has one."""
    return all_current(root).get(product)


def products(root: Root) -> list[str]:
    """Return the products of which releases are installed, in order. Raises TargetError if a receipt is damaged."""
    return sorted({receipt.release.product for receipt in receipts(root).values()})


def choose_product(root: Root, wanted: str | None) -> str:
    """Return the product `wanted`, or the only one of `root`. Raises UsageError if there is no such one, or several."""
    installed = products(root)
    if wanted is None and len(installed) > 1:
        raise UsageError(f"{root.path}: has several products: {', '.join(installed)}; choose one with --product")
    if wanted is not None and wanted not in (installed or [DEFAULT_PRODUCT]):
        raise UsageError(
            f"{root.path}: has no release of product {wanted!r}; installed: {', '.join(installed) or 'none'}"
        )
    return wanted if wanted is not None else (installed or [DEFAULT_PRODUCT])[0]


def by_age(root: Root, installed: Iterable[Receipt]) -> list[Receipt]:
    """Return the receipts `installed`, those of releases that were current last first."""
    age = {subject.id: position for position, subject in enumerate(history(root).published())}
    return sorted(installed, key=lambda receipt: (age.get(receipt.id, -1), receipt.installed), reverse=True)


def is_recorded(root: Root, release: Release) -> bool:
    """Return whether `release` is the current one, its receipt is there, and no journal is left."""
    id_ = release_id(release)
    return (
        current(root, release.product) == id_
        and root.size(JOURNAL) is None
        and root.size(f"{RELEASES}/{id_.hex}") is not None
    )


def _read_receipt(root: Root, path: str) -> Receipt | None:
    content = root.read(path, limits.INDEX.value)
    try:
        return parse_receipt(content) if content is not None else None
    except FormatError as error:
        raise TargetError(f"{root.path / path}: {error.message}; remove it") from None


class State:
    """The state of a root, held by this process alone. Made by `locked`."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._counter = 0
        self._written: list[str] = []
        self.clear()

    def staged(self) -> str:
        """Return the path of a new file or folder in staging, to be made by the caller before the next `sync`."""
        self._counter += 1
        path = f"{STAGING}/{self._counter}"
        self._written.append(path)
        return path

    def stage(self, content: bytes, path: str | None = None) -> str:
        """Write a small file in staging, under a new name or at `path` in a staged folder; return its path."""
        if path is None:
            path = self.staged()
        else:
            self.root.make_folder(path.rpartition("/")[0])
            self._written.append(path)
        self.root.write(path, content)
        return path

    def sync(self) -> None:
        """Make durable what was done so far; see `Root.sync`."""
        written, self._written = self._written, []
        self.root.sync([path for path in written if self.root.is_file(path)])

    def begin(self, release: Release, origin: Origin) -> None:
        """Note in journal and history that the links of `release` are about to be written.

        Durable with the next `sync`.
        """
        journal = self.stage(emit_receipt(Receipt(release, int(time.time()))))
        event = self._event(origin.action, Outcome.BEGUN, release, origin)
        noted = self.stage(self._history_with(event))
        self.sync()
        self.root.rename(journal, JOURNAL)
        self.root.rename(noted, HISTORY)

    def record(self, release: Release, origin: Origin) -> None:
        """Write receipt and history, and end the journal. This is what makes `release` the current one."""
        path = f"{RELEASES}/{release_id(release).hex}"
        if self.root.size(path) is None:
            self.replace(path, emit_receipt(Receipt(release, int(time.time()))))
        self._note(self._event(origin.action, Outcome.DONE, release, origin))
        self.root.unlink(JOURNAL)
        self.sync()

    def forget(self, release: Release) -> None:
        """Remove the receipt of `release`."""
        self.root.unlink(f"{RELEASES}/{release_id(release).hex}")
        self._note(self._event(Action.PRUNE, Outcome.DONE, release))
        self.sync()

    def replace_trust(self, path: str, content: bytes, signers: tuple[str, ...]) -> None:
        """Put the file of trusted signers in place, and before it the event that tells of it; both are then durable."""
        staged = self.stage(content)
        event = self._event(Action.TRUST, Outcome.DONE, origin=Origin(signers=signers))
        noted = self.stage(self._history_with(replace(event, trust=Digest.of(content))))
        self.sync()
        self.root.rename(noted, HISTORY)
        self.root.rename(staged, path)
        self.sync()

    def _note(self, event: Event) -> None:
        self.replace(HISTORY, self._history_with(event))

    def _history_with(self, event: Event) -> bytes:
        with located(str(self.root.path / HISTORY)):
            content = appended(self.root.read(HISTORY, limits.HISTORY.value) or b"", event)
        if len(content) > limits.HISTORY.value:
            raise TargetError(
                f"{self.root.path / HISTORY}: would have more bytes than {limits.HISTORY}; or move it elsewhere, "
                "and the next event begins a new one (no release is current until then)"
            )
        return content

    def _event(
        self, action: Action, outcome: Outcome, release: Release | None = None, origin: Origin | None = None
    ) -> Event:
        origin = origin or Origin()
        sudo_user = os.environ.get("SUDO_USER")
        return Event(
            int(time.time()),
            os.getuid(),
            recordable(sudo_user) if sudo_user else None,
            action,
            outcome,
            None if release is None else Subject(release.product, release.name, release_id(release)),
            origin.bundle,
            signers=tuple(map(recordable, origin.signers)),
        )

    def replace(self, path: str, content: bytes) -> None:
        """Put a small file in place, durable before it has its name."""
        staged = self.stage(content)
        self.sync()
        self.root.rename(staged, path)

    def clear(self) -> None:
        """Remove what is left in staging."""
        self.root.clear_folder(STAGING)


@contextmanager
def locked(root: Root) -> Iterator[State]:
    """Hold the lock of `root` and give its state, with staging empty before and after.

    Where nothing was recorded on a root that had no state, none is left: a refusal leaves no trace. The kernel drops
    the lock of a process that ends, so a stale one cannot be. Raises TargetError if another process holds it.
    """
    fd = _lock(root)
    try:
        state = State(root)
        try:
            yield state
        finally:
            with suppress(TargetError):
                state.clear()
                if root.names(HOME) == [LOCK.rpartition("/")[2], STAGING.rpartition("/")[2]]:
                    root.remove_folder(STAGING)
                    root.unlink(LOCK)
    finally:
        close_read(fd)  # NFS keeps a file that is open under another name, in its folder
        with suppress(TargetError):
            root.remove_home()


def require_unlocked(root: Root) -> None:
    """Raise TargetError if the lock of `root` is held, or could not be taken. Makes nothing."""
    if root.size(LOCK) is None:
        return
    try:
        fd = root.open_lock(LOCK, create=False)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _is_locked(root) from None
    except OSError as error:
        raise write_error(str(root.path / LOCK), error) from None
    finally:
        close_read(fd)


def _is_locked(root: Root) -> TargetError:
    return TargetError(f"{root.path}: another airpatch is working on this root; wait until it has finished")


def _lock(root: Root) -> int:
    """Return the descriptor of the locked file. Others may remove it while it is waited for, and only while they hold
    it.
    """
    while True:
        try:
            root.make_workplace()
        except FileNotFoundError:
            raise TargetError(f"{root.path}: vanished while airpatch was running") from None
        try:
            fd = root.open_lock(LOCK)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if root.is_same(fd, LOCK):
                root.make_workplace()  # whoever held the lock before may have removed a part of it
                return fd
        except BlockingIOError:
            close_read(fd)
            raise _is_locked(root) from None
        except OSError as error:
            close_read(fd)
            raise write_error(str(root.path / LOCK), error) from None
        except BaseException:
            close_read(fd)
            raise
        close_read(fd)
