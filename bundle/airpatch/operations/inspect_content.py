"""What is in a bundle, in an inventory or a request, on a registry's root, or in layers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.archive.open_bundles import is_bundle
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.format.index_encoding import VERSION
from airpatch.format.registry import STORAGE
from airpatch.linux import is_file, is_folder
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.costs import Costs, costs_of
from airpatch.report.weight import Weight, weigh

if TYPE_CHECKING:
    from airpatch.format.inventories import Inventory, Request
    from airpatch.operations.arguments import StrPath
    from airpatch.report.layer_encodings import Layer
    from airpatch.report.layer_patches import LayerPatch
    from airpatch.report.root_report import RootReport
    from airpatch.signing.public_keys import PublicKey


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What is in a bundle of `size` bytes: `weights` are of the images whose manifests are in it.

    `costs` says how many of its bytes each of these images and each blob takes. `patches` are the headers of its layer
    patches, in the order of the index; empty if not requested.
    """

    name: str
    size: int
    index: Index
    weights: Mapping[ImageName, Weight]
    costs: Costs
    patches: tuple[LayerPatch, ...] = ()
    signatures: tuple[PublicKey | None, ...] = ()
    """The keys by which it says it is signed, which is not checked: None for one of a kind that is not accepted."""
    format_version: int = VERSION

    @property
    def places(self) -> Mapping[Digest, str]:
        """Where each source of a layer patch comes from: the `target`, the `bundle`, or another layer `patch`."""
        if not self.index.steps:
            return {}
        from airpatch.report.layer_patches import places

        return places(self.index)


@dataclass(frozen=True, slots=True)
class InventoryReport:
    """What is in an inventory of a root or in the request of an apply, whose file `name` has `size` bytes."""

    name: str
    size: int
    content: Inventory | Request

    @property
    def id(self) -> Digest:
        """The name by which patches made against it refer to their base."""
        from airpatch.format.inventories import content_id

        return content_id(self.content)


@dataclass(frozen=True, slots=True)
class LayersReport:
    """The layers of the source of images `name`, the largest first: how each is compressed, and by which encoder."""

    name: str
    layers: tuple[Layer, ...]


def open_bundle(path: StrPath) -> BundleFile:
    """Open the bundle in the file `path` and read its index (spec/FORMAT.md): a few KiB, whatever the bundle's size.

    Use it as a context manager. It provides the manifests, and all blobs by digest; the caller hashes the blobs it
    reads. Raises UsageError if there is no such file, FormatError if it is not a bundle.
    """
    return BundleFile(os.fspath(path))


def inspect(
    subject: StrPath, *, patches: bool = True, layers: bool = False, execution: Execution | None = None
) -> BundleReport | InventoryReport | RootReport | LayersReport:
    """Return what is in `subject`, a bundle, an inventory, a request or a registry's root, without reading a layer.

    With `patches`, the headers of layer patches are read, too. With `layers`, `subject` is any source of images (as
    `create` takes it) or a patch, and its layers are read, to say how each is compressed and by which encoder.

    Raises UsageError if `subject` is none of these, FormatError or IntegrityError if a file is damaged, TargetError if
    a root cannot be read, and with `layers` what reading the source raises.
    """
    if layers:
        return LayersReport(os.fspath(subject), _layers(os.fspath(subject), execution or Execution()))
    path = Path(subject)
    if not (is_file(path) or is_folder(path)):
        from airpatch.sources.foreign import explain_bundle, is_there

        if not is_there(os.fspath(path)) and (advice := explain_bundle(os.fspath(subject))) is not None:
            raise UsageError(f"{subject}: {advice}")
    if is_folder(path) and not is_bundle(path):
        from airpatch.target.new_root import check_place

        check_place(path)
        return _root(path)
    if is_inventory(path):
        return InventoryReport(os.fspath(subject), path.stat().st_size, read_inventory(path))
    with open_bundle(subject) as bundle:
        images = {image.name: image.manifest for image in bundle.index.release.images}
        manifests = bundle.manifests()
        return BundleReport(
            os.fspath(subject),
            bundle.file_size,
            bundle.index,
            weigh(images.items(), manifests),
            costs_of(bundle.index, manifests),
            _patches(bundle) if patches else (),
            _signatures(bundle),
        )


def _layers(name: str, execution: Execution) -> tuple[Layer, ...]:
    # Imported here, and below, because inspecting a bundle takes less time than loading what this needs.
    from airpatch.report.layer_encodings import examine_layers
    from airpatch.sources.gather import gather

    if is_inventory(Path(name)):
        raise UsageError(f"{name}: lists blobs and holds none, so it has no layers to look at: omit --layers")
    if is_bundle(Path(name)):  # also a patch, which is no source
        with open_bundle(name) as bundle:
            return tuple(examine_layers(bundle.index.release.images, bundle.manifests(), bundle, execution))
    gathered = gather([name], execution)
    return tuple(examine_layers(gathered.release.images, gathered.manifests, gathered.content, execution))


def _patches(bundle: BundleFile) -> tuple[LayerPatch, ...]:
    if not bundle.index.steps:
        return ()
    from airpatch.report.layer_patches import read_layer_patches

    return tuple(read_layer_patches(bundle))


def _signatures(bundle: BundleFile) -> tuple[PublicKey | None, ...]:
    if not bundle.opening.signatures:
        return ()
    from airpatch.signing.bundle_signatures import key_of

    return tuple(map(key_of, bundle.opening.signatures))


def _root(path: Path) -> RootReport:
    from airpatch.report.root_report import report_root
    from airpatch.target.root import Root

    with Root(path) as root:
        if not root.is_folder(STORAGE):
            from airpatch.store.store_address import is_store_folder

            if is_store_folder(path):
                raise UsageError(f"{path}: is a store of releases: 'airpatch store list' and 'store show' tell of it")
            raise UsageError(
                f"{path}: is neither a bundle nor a registry's root (which holds {STORAGE}); --layers shows the layers "
                "of any other source of images"
            )
        return report_root(root)
