"""Points the tags of a root back at a release that is installed there, and gives its images their signatures again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from airpatch.errors import BaseMismatch, UsageError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.model.digest import Digest
from airpatch.target import image_signatures, storage
from airpatch.target.publish import publish
from airpatch.target.root import Root
from airpatch.target.state import Action, Receipt, current, history, locked, receipts


def roll_back(root: Root, execution: Execution, to: str | None = None) -> tuple[Receipt, int]:
    """Set the tags of the release `to` (a name, or the beginning of an id) as that release has them.

    Without `to` it is the release that was current before this one. Signatures become those of the release, too.
    Returns its receipt and the number of tags that changed. Raises UsageError if there is no such release,
    BaseMismatch if the root lacks blobs or signatures of it, TargetError.
    """
    with locked(root) as state:
        receipt = find_release(root, to) if to is not None else _previous(root)
        missing = [
            f"{blob.digest} {blob.size} bytes"
            for blob in receipt.release.blobs
            if root.size(registry.blob_path(blob.digest)) != blob.size
        ]
        missing += [f"{s.digest} {s.size} bytes, a signature" for s in image_signatures.lacking(root, receipt.release)]
        if missing:
            raise BaseMismatch(f"{root.path} lacks blobs of {receipt.release.name}; apply its bundle again", missing)
        manifests = storage.load_manifests(root, [image.manifest for image in receipt.release.images])
        with ThreadPoolExecutor(execution.threads) as pool:
            links = publish(state, receipt.release, manifests, {}, pool, Action.ROLLBACK)
        return receipt, sum(link.stage is registry.Stage.TAG for link in links)


def find_release(root: Root, wanted: str) -> Receipt:
    """The installed release with the name `wanted`, or whose id begins with it. Raises UsageError."""
    installed = receipts(root).values()
    prefix = wanted.removeprefix("sha256:")
    found = [r for r in installed if r.release.name == wanted or (prefix and r.id.hex.startswith(prefix))]
    if len(found) != 1:
        names = ", ".join(f"{r.release.name} ({r.id.short})" for r in installed) or "none"
        problem = "matches more than one installed release" if found else "is not installed"
        raise UsageError(f"{root.path}: release {wanted!r} {problem}; installed: {names}")
    return found[0]


def _previous(root: Root) -> Receipt:
    installed = receipts(root)
    now = current(root)
    before: list[Digest] = [e.id for e in history(root) if e.action is not Action.PRUNE and e.id != now]
    for id_ in reversed(before):
        if id_ in installed:
            return installed[id_]
    raise UsageError(f"{root.path}: no earlier release is installed to go back to")
