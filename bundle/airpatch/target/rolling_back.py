"""Points the tags of a root back at a release that is installed there, and gives its images their signatures again."""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.errors import BaseMismatch, UsageError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.format.receipts import Receipt
from airpatch.log import logger
from airpatch.model.lacking import SCREEN, lacking_by_image
from airpatch.model.release import Release
from airpatch.target import image_signatures, storage
from airpatch.target.history import Action
from airpatch.target.publish import publish
from airpatch.target.root import Root
from airpatch.target.space import require_publishable
from airpatch.target.state import Origin, choose_product, current, history, locked, receipts
from airpatch.worker_pool import worker_pool

_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The release that is current now, the one that was (None if its receipt is gone), and the tags that were set."""

    receipt: Receipt
    left: Receipt | None
    tags: int


def roll_back(root: Root, execution: Execution, to: str | None = None, product: str | None = None) -> RolledBack:
    """Set the tags of the release `to` of `product` (a name, or the beginning of an id) as that release has them.

    Without `to` it is the release that was current before this one; `product` may be left out where the root has one
    only. Signatures become those of the release, too. Raises UsageError if there is no such release, BaseMismatch if
    the root lacks blobs or signatures of it, TargetError.
    """
    product = choose_product(root, product)
    with locked(root) as state:
        now = current(root, product)
        left = receipts(root).get(now) if now is not None else None
        receipt = find_release(root, to, product) if to is not None else _previous(root, product)
        if missing := _missing(root, receipt.release):
            raise BaseMismatch(f"{root.path} lacks blobs of {receipt.release.name}; apply its bundle again", missing)
        _LOG.info(
            "going back from %s to %s: %s", left.release.title if left is not None else "no release",
            receipt.release.title, "as asked for" if to is not None else "the release before in the history",
        )  # fmt: skip
        manifests = storage.load_manifests(root, [image.manifest for image in receipt.release.images])
        require_publishable(root, [(receipt.release, manifests)])
        with worker_pool(execution.threads) as pool:
            links = publish(state, receipt.release, manifests, {}, pool, Origin(Action.ROLLBACK))
        return RolledBack(receipt, left, sum(link.stage is registry.Stage.TAG for link in links))


def _missing(root: Root, release: Release) -> list[str]:
    """Return lines about what `release` lacks, by image."""
    sizes = {blob.digest: root.size(registry.blob_path(blob.digest)) for blob in release.blobs}
    missing = {blob.digest: blob.size for blob in release.blobs if sizes[blob.digest] != blob.size}
    damaged = {digest for digest in missing if sizes[digest] is not None}
    lines = lacking_by_image(release.images, storage.known_manifests(root, release), missing, damaged)
    without = {signature.digest for signature in image_signatures.lacking(root, release)}
    names = [str(image.name) for image in release.images if without & {s.digest for s in image.signatures}]
    return [*lines, *(f"{name}: lacks signatures" for name in names[:SCREEN])]


def find_release(root: Root, wanted: str, product: str | None = None) -> Receipt:
    """Return the installed release with the name `wanted`, else whose id begins with it, of `product` or of any.

    Raises UsageError if there is none, or more than one.
    """
    installed = [receipt for receipt in receipts(root).values() if product in (None, receipt.release.product)]
    named = [receipt for receipt in installed if receipt.release.name == wanted]
    found = named or [receipt for receipt in installed if receipt.id.is_meant_by(wanted)]
    if len(found) != 1:
        names = ", ".join(f"{r.release.title} ({r.id.short})" for r in installed) or "none"
        problem = "matches more than one installed release" if found else "is not installed"
        raise UsageError(f"{root.path}: release {wanted!r} {problem}; installed: {names}")
    return found[0]


def _previous(root: Root, product: str) -> Receipt:
    installed = receipts(root)
    now = current(root, product)
    before = [of.id for of in history(root).published() if of.product == product and of.id != now]
    for id_ in reversed(before):
        if id_ in installed:
            return installed[id_]
    raise UsageError(f"{root.path}: no earlier release of product {product} is installed to roll back to")
