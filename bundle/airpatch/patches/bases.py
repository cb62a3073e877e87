"""What a target may have: the state that a patch is made against.

A base is a full bundle, a patch (its release counts as installed), a registry's root, an inventory of one, a request,
or a host's images in archives or in containerd's storage. They differ in form, but all say the same: which blobs are
there, and of which size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.archive.misfits import describe
from airpatch.archive.open_bundles import STDIN, is_bundle
from airpatch.blobs.content import BytesContent, ChainedContent, Content
from airpatch.blobs.output import require_reachable
from airpatch.blobs.tree import Tree
from airpatch.errors import BaseMismatch, FormatError, UsageError, unreadable
from airpatch.execution import Execution
from airpatch.format import inventories, magics
from airpatch.format.index import REQUEST_FOR, Base, Index
from airpatch.format.inventories import Inventory, Request
from airpatch.format.registry import STORAGE
from airpatch.format.release_part import release_id
from airpatch.layers.rebuilt_content import content_with_rebuilt
from airpatch.linux import is_file, is_folder, read_start
from airpatch.model.digest import Digest
from airpatch.model.release import DEFAULT_PRODUCT, Image, Release, check_label
from airpatch.registry_api.access import PullOptions
from airpatch.sources.foreign import explain_spec
from airpatch.sources.gather import gather
from airpatch.sources.kinds import is_other_source, whole_release
from airpatch.sources.registry_roots import registry_content
from airpatch.store.store_address import is_store_address, parse_store_address
from airpatch.target.new_root import check_place
from airpatch.target.root import Root, open_root
from airpatch.target.state import choose_product, current, products, receipts
from airpatch.target.stocktaking import take_inventory
from airpatch.units import count, megabytes

_NO_RELEASE = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class BaseState:
    """`blobs` with their sizes in bytes, and `repositories` of the installed release; `warning` is for the user.

    `layers` are those of the blobs that can be read from `content`, or made by the layer patches of a full bundle, and
    may be sources of layer patches; `images` say in which images they are. With `no_layer_patches`, as for a request,
    the patch has none: a top-up must not need what it completes. `features` are those of the airpatch there, None if it
    does not say. `product` is that of the installed release, None if it is not known.
    """

    base: Base
    blobs: Mapping[Digest, int]
    repositories: frozenset[str]
    warning: str | None = None
    layers: tuple[Digest, ...] = ()
    content: Content | None = None
    images: tuple[Image, ...] = ()
    no_layer_patches: bool = False
    features: frozenset[str] | None = None
    product: str | None = None


def open_base(name: str, release: Release, pull: PullOptions | None = None) -> BaseState:
    """Return the base in the file or folder `name`, for a patch to `release`; `pull` is for one in a registry.

    Raises UsageError if there is none that can be read or it is a request for another release, FormatError if it is
    damaged, TargetError if a root cannot be read, SourceError if images of an archive cannot be used.
    """
    path = Path(name)
    if is_other_source(name):
        return _from_source(name, pull)
    if is_bundle(path):
        return _from_bundle(name)
    if is_folder(path):
        return _from_root(path, release.product)
    value = _small_file(path, name)
    return _from_inventory(value, name) if isinstance(value, Inventory) else _from_request(value, release, name)


def _no_base(path: Path, name: str) -> str:
    if name == STDIN:
        return "is standard input, which can be read only once: name a file"
    if path.exists():
        return "is a pipe or a device; a base is a file or a registry's root"
    return explain_spec(name) or "no such base; give a bundle, a registry's root, an inventory or a request"


def _small_file(path: Path, name: str) -> Inventory | Request:
    require_reachable(path)
    if not is_file(path):
        raise UsageError(f"{name}: {_no_base(path, name)}")
    try:
        head = read_start(path, magics.HEAD)
    except OSError as error:
        raise unreadable(str(path), error) from None
    if not is_inventory(path):
        raise FormatError(f"{path}: {describe(head)}")
    return read_inventory(path)


def readable(base: BaseState, wanted: Iterable[Digest], execution: Execution) -> Content | None:
    """Return where the blobs of `base` can be read; those `wanted` that it has as layer patches are rebuilt."""
    if isinstance(base.content, BundleFile) and base.content.index.is_full:
        return content_with_rebuilt(base.content, wanted, execution)
    return base.content


def patch_sources(name: str, index: Index, execution: Execution) -> Content:
    """Return the blobs of the base `name` that layer patches of `index` build upon and its bundle does not contain.

    Raises UsageError if the base holds no content, BaseMismatch if the patch does not fit it, and what
    `open_base` raises.
    """
    base = open_base(name, index.release)
    missing = {b.digest: b.size for b in index.needed if base.blobs.get(b.digest) != b.size}
    if missing:
        made_for = " or ".join(base.name for base in index.bases)
        raise BaseMismatch(
            f"{name} lacks {count(len(missing), 'blob')} of {megabytes(sum(missing.values()))} that the patch needs; "
            f"it was made for {made_for}"
        )
    stored = {blob.digest for blob in index.stored}
    wanted = [source.digest for source in index.sources if source.digest not in stored]
    content = readable(base, wanted, execution)
    if content is None or any(content.size(digest) is None for digest in wanted):
        raise UsageError(
            f"{name}: does not hold everything that the patch builds upon; give a full bundle or a registry's root"
        )
    return content


@dataclass(frozen=True, slots=True)
class InstalledRelease:
    """The release that a base has, or for a request the release that it is for."""

    product: str
    name: str
    sequence: int
    id: Digest | None = None
    """None where only the name is known."""
    is_requested: bool = False


def installed_release(name: str) -> InstalledRelease | None:
    """Return the release of the base `name`; None if it has none, or several products. Raises as `open_base`."""
    path = Path(name)
    if is_other_source(name):
        release = whole_release(name)
        return None if release is None else _installed(release)
    if is_bundle(path):
        with closing(BundleFile(name)) as bundle:
            return _installed(bundle.index.release)
    if is_folder(path):
        with _open_root(path) as root:
            installed = products(root)
            receipt = receipts(root).get(current(root, installed[0]) or _NO_RELEASE) if len(installed) == 1 else None
        return None if receipt is None else _installed(receipt.release)
    value = _small_file(path, name)
    if not value.name:
        return None
    return InstalledRelease(value.product, value.name, value.sequence, is_requested=isinstance(value, Request))


def _installed(release: Release) -> InstalledRelease:
    return InstalledRelease(release.product, release.name, release.sequence, release_id(release))


def open_content(name: str) -> BaseState:
    """Return blobs in the bundle, root or archive `name`, for layer patches to build upon where a base has them.

    Raises UsageError if it holds none, FormatError, TargetError, SourceError.
    """
    path = Path(name)
    if is_store_address(name) and parse_store_address(name).release is None:
        return _from_store(name)
    if is_other_source(name):
        return _from_source(name)
    if is_bundle(path):
        return replace(_from_bundle(name), warning=None)
    if is_folder(path):
        return _from_root(path, DEFAULT_PRODUCT, whole=True)
    require_reachable(path)
    if not path.exists():
        raise UsageError(f"{name}: {explain_spec(name) or 'no such file or folder'}")
    raise UsageError(f"{name}: holds no blobs; --content takes a bundle, a registry's root or an archive of images")


def _open_root(path: Path) -> Root:
    """Return the root at the folder `path`. Raises UsageError, which says what to do with a folder of images."""
    check_place(path)
    if not is_folder(path / STORAGE):
        raise UsageError(
            f"{path}: is a folder, and no registry's root (which holds {STORAGE}); if images are in it, pack them "
            f"first with 'airpatch create {path} -o BUNDLE'"
        )
    return open_root(path)


def _from_root(path: Path, product: str, *, whole: bool = False) -> BaseState:
    """Return the base in a root: the current release of `product`, or `whole` all of its blobs, whatever they belong
    to.
    """
    with _open_root(path) as root:
        installed = products(root)
        if product not in installed:
            product = DEFAULT_PRODUCT if whole else choose_product(root, None)
        state = _from_inventory(take_inventory(root, product), str(path))
        now = receipts(root).get(current(root, product) or _NO_RELEASE)
    layers = (
        [b.digest for b in now.release.blobs if not b.is_manifest]
        if now is not None and not whole
        else list(state.blobs)
    )
    return replace(
        state,
        layers=tuple(digest for digest in layers if digest in state.blobs),
        content=registry_content(Tree(path)),
        images=now.release.images if now is not None else (),
    )


def _from_bundle(name: str) -> BaseState:
    bundle = BundleFile(name)
    index = bundle.index
    release = index.release
    warning = None
    if not index.is_full:
        bases = " or ".join(base.name for base in index.bases)
        warning = (
            f"{name} is a patch for {bases}: the new patch fits targets that have it applied, but no target that "
            f"has only {bases}"
        )
    return BaseState(
        Base(release_id(release), release.name),
        {blob.digest: blob.size for blob in release.blobs},
        _repositories(release),
        warning,
        tuple(blob.digest for blob in (release.blobs if index.is_full else index.stored) if not blob.is_manifest),
        bundle,
        release.images,
        product=release.product,
    )


def _from_source(name: str, pull: PullOptions | None = None) -> BaseState:
    """Return what a host has that keeps its images somewhere other than a root: in archives, containerd's storage, or a
    registry.
    """
    gathered = gather([name], pull=pull)
    release = gathered.release
    return BaseState(
        Base(release_id(release), release.name),
        {blob.digest: blob.size for blob in release.blobs},
        _repositories(release),
        "; ".join(gathered.remarks) or None,
        tuple(blob.digest for blob in release.blobs if not blob.is_manifest),
        ChainedContent([gathered.content, BytesContent(gathered.manifests)]),
        release.images,
    )


def _from_store(name: str) -> BaseState:
    """Return the blobs of all releases in a store."""
    from airpatch.store.release_store import ReleaseStore  # with `socket`, which most bases do not need

    store = ReleaseStore(parse_store_address(name))
    releases = [each.release for each in store.releases()]
    blobs = {blob.digest: blob for release in releases for blob in release.blobs}
    return BaseState(
        Base(_NO_RELEASE, name),
        {digest: blob.size for digest, blob in blobs.items()},
        frozenset(),
        layers=tuple(digest for digest, blob in blobs.items() if not blob.is_manifest),
        content=store.content,
        images=tuple(image for release in releases for image in release.images),
    )


def _from_inventory(value: Inventory, name: str) -> BaseState:
    base = Base(inventories.content_id(value), value.name or _file_label(Path(name)))
    features = frozenset(value.features) if value.version else None
    return BaseState(base, value.blobs, frozenset(value.repositories), features=features, product=value.product)


def _file_label(path: Path) -> str:
    """Return the label of a root whose release is unknown: the name of its folder, or of its inventory's file."""
    label = path.absolute().name
    try:
        check_label(label, 0)
    except FormatError:
        return "a root without a name"
    return label


def _from_request(request: Request, release: Release, name: str) -> BaseState:
    if request.release_id != release_id(release):
        raise UsageError(
            f"{name}: requests blobs of release {request.name} ({request.release_id.short}), but the sources give "
            f"{release.name} ({release_id(release).short}); give its sources, its --release and its --sequence"
        )
    blobs = {b.digest: b.size for b in release.blobs if b.digest not in request.blobs}
    base = Base(inventories.content_id(request), f"{REQUEST_FOR}{request.name}")
    return BaseState(base, blobs, frozenset(), no_layer_patches=True)


def _repositories(release: Release) -> frozenset[str]:
    return frozenset(image.name.repository for image in release.images)
