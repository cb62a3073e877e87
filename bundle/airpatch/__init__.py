"""airpatch packs the container images of a release into one file, makes small patches, and applies them offline.

A bundle is one content-addressed file with all images of a product release; a patch is a bundle without what its
targets already have. Applied to a registry's storage on a host without a network, both give the release with every
digest exactly as it was built.

The functions are those of the command line (`airpatch --help`). On the sender's side, with trees of images as
`skopeo sync --dest dir` writes them:

    import airpatch

    airpatch.create("images-r1/", "shop-r1.tar.zst", release="4.2.0", sequence=420)
    made = airpatch.diff("shop-r1.tar.zst", "images-r2/", "shop-r1-r2.tar.zst", release="4.2.1", sequence=421)
    print(made.size, "bytes for", len(made.index.release.images), "images")

On the host, whose registry may be serving `/var/lib/registry` meanwhile:

    try:
        airpatch.apply(["shop-r1.tar.zst", "shop-r1-r2.tar.zst"], "/var/lib/registry", restore_to="images/")
    except airpatch.BaseMismatch as error:
        print(error.message, *error.findings, sep="\\n")

Paths are `str` or `os.PathLike`; where several are accepted, so is a single one. Sizes are in bytes. Every long-running
function takes an `Execution`: how many threads and how much memory it may use, where scratch files go, what receives
its progress, and how to cancel it:

    airpatch.diff(base, images, patch, execution=airpatch.Execution(jobs=4, memory=4 << 30, progress=MyProgress()))

Every failure that a caller can cause and resolve is an `AirpatchError` of one of seven classes; `message` says what is
wrong, where, and what to do, `findings` lists the individual defects. Decisions are logged to the logger `airpatch`
(INFO: which source and method for which layer; DEBUG: more), which is silent unless the program configures it.

Formats are specified in spec/FORMAT.md (bundles), spec/TARGET.md (roots), spec/DELTA.md, spec/DEFLATE.md and
spec/ENCODERS.md (layer patches).
"""

from __future__ import annotations

TYPE_CHECKING = False  # as that of `typing`, which `python -m airpatch` would load before it minds Ctrl-C
if TYPE_CHECKING:
    from airpatch.archive.bundle_file import BundleFile as BundleFile
    from airpatch.blobs.scratch import scratch_files as scratch_files
    from airpatch.errors import AirpatchError as AirpatchError
    from airpatch.errors import BaseMismatch as BaseMismatch
    from airpatch.errors import FormatError as FormatError
    from airpatch.errors import IntegrityError as IntegrityError
    from airpatch.errors import SourceError as SourceError
    from airpatch.errors import TargetError as TargetError
    from airpatch.errors import TrustError as TrustError
    from airpatch.errors import UsageError as UsageError
    from airpatch.execution import Cancellation as Cancellation
    from airpatch.execution import Execution as Execution
    from airpatch.format.index import Index as Index
    from airpatch.format.inventories import Inventory as Inventory
    from airpatch.format.inventories import Request as Request
    from airpatch.format.parts import WholeFile as WholeFile
    from airpatch.format.receipts import Receipt as Receipt
    from airpatch.model.chosen_source import ChosenSource as ChosenSource
    from airpatch.model.digest import Digest as Digest
    from airpatch.model.names import ImageName as ImageName
    from airpatch.model.release import Blob as Blob
    from airpatch.model.release import Image as Image
    from airpatch.model.release import Release as Release
    from airpatch.operations.apply_bundles import ApplyResult as ApplyResult
    from airpatch.operations.apply_bundles import apply as apply
    from airpatch.operations.complete_copy import WrittenTopUp as WrittenTopUp
    from airpatch.operations.complete_copy import topup as topup
    from airpatch.operations.create_bundle import WrittenBundle as WrittenBundle
    from airpatch.operations.create_bundle import create as create
    from airpatch.operations.diagnose_host import Ability as Ability
    from airpatch.operations.diagnose_host import HostReport as HostReport
    from airpatch.operations.diagnose_host import doctor as doctor
    from airpatch.operations.explain_patch import Explanation as Explanation
    from airpatch.operations.explain_patch import explain as explain
    from airpatch.operations.inspect_content import BundleReport as BundleReport
    from airpatch.operations.inspect_content import InventoryReport as InventoryReport
    from airpatch.operations.inspect_content import LayersReport as LayersReport
    from airpatch.operations.inspect_content import inspect as inspect
    from airpatch.operations.inspect_content import open_bundle as open_bundle
    from airpatch.operations.make_line import WrittenPlan as WrittenPlan
    from airpatch.operations.make_line import collect as collect
    from airpatch.operations.make_line import plan as plan
    from airpatch.operations.make_line import work as work
    from airpatch.operations.make_patch import diff as diff
    from airpatch.operations.manage_root import RootHistory as RootHistory
    from airpatch.operations.manage_root import WrittenInventory as WrittenInventory
    from airpatch.operations.manage_root import history as history
    from airpatch.operations.manage_root import inventory as inventory
    from airpatch.operations.manage_root import prune as prune
    from airpatch.operations.manage_root import rollback as rollback
    from airpatch.operations.manage_store import store_add as store_add
    from airpatch.operations.manage_store import store_list as store_list
    from airpatch.operations.manage_store import store_prune as store_prune
    from airpatch.operations.manage_store import store_show as store_show
    from airpatch.operations.manage_store import store_verify as store_verify
    from airpatch.operations.merge_bundles import merge as merge
    from airpatch.operations.push_images import PushResult as PushResult
    from airpatch.operations.push_images import push as push
    from airpatch.operations.restore_images import Restored as Restored
    from airpatch.operations.restore_images import restore as restore
    from airpatch.operations.send_bundle import SentBundle as SentBundle
    from airpatch.operations.send_bundle import send as send
    from airpatch.operations.serve_images import Served as Served
    from airpatch.operations.serve_images import serve as serve
    from airpatch.operations.sign_bundle import SignedBundle as SignedBundle
    from airpatch.operations.sign_bundle import sign as sign
    from airpatch.operations.split_file import JoinedFile as JoinedFile
    from airpatch.operations.split_file import SplitFile as SplitFile
    from airpatch.operations.split_file import join as join
    from airpatch.operations.split_file import split as split
    from airpatch.operations.trust_root import RootTrust as RootTrust
    from airpatch.operations.trust_root import trust as trust
    from airpatch.operations.trusted_files import trusted_signers as trusted_signers
    from airpatch.operations.verify_content import VerifiedBundle as VerifiedBundle
    from airpatch.operations.verify_content import verify as verify
    from airpatch.product_line.line_plan import LinePlan as LinePlan
    from airpatch.product_line.planning import Planned as Planned
    from airpatch.product_line.planning import PlannedPair as PlannedPair
    from airpatch.product_line.sites import Site as Site
    from airpatch.product_line.sites import SiteWay as SiteWay
    from airpatch.product_line.smallest_chains import PatchChain as PatchChain
    from airpatch.product_line.working import FailedTask as FailedTask
    from airpatch.product_line.working import LineWork as LineWork
    from airpatch.progress import Progress as Progress
    from airpatch.registry_api.access import PullOptions as PullOptions
    from airpatch.registry_api.access import RegistryAccess as RegistryAccess
    from airpatch.report.costs import Costs as Costs
    from airpatch.report.forecast import BlobCost as BlobCost
    from airpatch.report.forecast import FileCost as FileCost
    from airpatch.report.layer_encodings import Layer as Layer
    from airpatch.report.layer_patches import LayerPatch as LayerPatch
    from airpatch.report.root_report import RootReport as RootReport
    from airpatch.report.weight import Weight as Weight
    from airpatch.signing.policy import Signer as Signer
    from airpatch.signing.trusted import TrustedSigners as TrustedSigners
    from airpatch.store.adding import AddedRelease as AddedRelease
    from airpatch.store.release_store import StoredRelease as StoredRelease
    from airpatch.store.store_audit import VerifiedStore as VerifiedStore
    from airpatch.store.store_pruning import PrunedStore as PrunedStore
    from airpatch.target.audit import VerifiedRoot as VerifiedRoot
    from airpatch.target.history import Event as Event
    from airpatch.target.history import History as History
    from airpatch.target.installer import Applied as Applied
    from airpatch.target.pruning import Pruned as Pruned
    from airpatch.target.rolling_back import RolledBack as RolledBack

_HOMES = {
    "archive.bundle_file": ("BundleFile",),
    "model.chosen_source": ("ChosenSource",),
    "blobs.scratch": ("scratch_files",),
    "errors": (
        "AirpatchError",
        "BaseMismatch",
        "FormatError",
        "IntegrityError",
        "SourceError",
        "TargetError",
        "TrustError",
        "UsageError",
    ),
    "execution": ("Cancellation", "Execution"),
    "format.index": ("Index",),
    "format.inventories": ("Inventory", "Request"),
    "format.parts": ("WholeFile",),
    "format.receipts": ("Receipt",),
    "model.digest": ("Digest",),
    "model.names": ("ImageName",),
    "model.release": ("Blob", "Image", "Release"),
    "operations.apply_bundles": ("ApplyResult", "apply"),
    "operations.complete_copy": ("WrittenTopUp", "topup"),
    "operations.create_bundle": ("WrittenBundle", "create"),
    "operations.diagnose_host": ("Ability", "HostReport", "doctor"),
    "operations.explain_patch": ("Explanation", "explain"),
    "operations.inspect_content": ("BundleReport", "InventoryReport", "LayersReport", "inspect", "open_bundle"),
    "operations.make_line": ("WrittenPlan", "collect", "plan", "work"),
    "operations.make_patch": ("diff",),
    "operations.manage_root": ("RootHistory", "WrittenInventory", "history", "inventory", "prune", "rollback"),
    "operations.manage_store": ("store_add", "store_list", "store_prune", "store_show", "store_verify"),
    "operations.merge_bundles": ("merge",),
    "operations.push_images": ("PushResult", "push"),
    "operations.restore_images": ("Restored", "restore"),
    "operations.verify_content": ("VerifiedBundle", "verify"),
    "operations.send_bundle": ("SentBundle", "send"),
    "operations.serve_images": ("Served", "serve"),
    "operations.sign_bundle": ("SignedBundle", "sign"),
    "operations.split_file": ("JoinedFile", "SplitFile", "join", "split"),
    "operations.trust_root": ("RootTrust", "trust"),
    "operations.trusted_files": ("trusted_signers",),
    "product_line.line_plan": ("LinePlan",),
    "product_line.planning": ("Planned", "PlannedPair"),
    "product_line.sites": ("Site", "SiteWay"),
    "product_line.smallest_chains": ("PatchChain",),
    "product_line.working": ("FailedTask", "LineWork"),
    "progress": ("Progress",),
    "registry_api.access": ("PullOptions", "RegistryAccess"),
    "report.costs": ("Costs",),
    "report.forecast": ("BlobCost", "FileCost"),
    "report.layer_encodings": ("Layer",),
    "report.layer_patches": ("LayerPatch",),
    "report.root_report": ("RootReport",),
    "report.weight": ("Weight",),
    "signing.policy": ("Signer",),
    "signing.trusted": ("TrustedSigners",),
    "store.adding": ("AddedRelease",),
    "store.release_store": ("StoredRelease",),
    "store.store_audit": ("VerifiedStore",),
    "store.store_pruning": ("PrunedStore",),
    "target.audit": ("VerifiedRoot",),
    "target.history": ("Event", "History"),
    "target.installer": ("Applied",),
    "target.pruning": ("Pruned",),
    "target.rolling_back": ("RolledBack",),
}
"""Where each public name is. Modules are loaded when a name of theirs is used, so that `import airpatch` is quick."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"airpatch.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
