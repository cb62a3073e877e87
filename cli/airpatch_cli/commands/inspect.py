"""`airpatch inspect`: what is in a bundle, an inventory or a request, on a registry's root, or in layers."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import airpatch
from airpatch import BundleReport, Digest, ImageName, InventoryReport, LayersReport
from airpatch.units import megabytes
from airpatch_cli.bundle_results import expiry
from airpatch_cli.console import Console, Result, table, timestamp

if TYPE_CHECKING:
    from airpatch import Index, Receipt, Release, RootReport, Weight

_UNKNOWN = "-"
Images = Mapping[ImageName, Digest]
Weights = Mapping[ImageName, "Weight"]


def run(args: Namespace, console: Console) -> Result:
    name = args.subject
    found = airpatch.inspect(name, patches=args.blobs or args.json, layers=args.layers, execution=console.execution)
    if isinstance(found, LayersReport):
        from airpatch_cli.layer_results import layer_table

        return layer_table(name, found.layers)
    if isinstance(found, BundleReport):
        lines = [*_bundle_lines(name, found), *(_blob_lines(found) if args.blobs else ())]
        return Result(_bundle_data(name, found), lines)
    if isinstance(found, InventoryReport):
        from airpatch_cli.inventory_results import inventory_result

        return inventory_result(found, with_blobs=args.blobs)
    return Result(_root_data(name, found), list(_root_lines(name, found, with_blobs=args.blobs)))


def _bundle_data(name: str, bundle: BundleReport) -> dict[str, object]:
    index, images, weights = bundle.index, _images(bundle), bundle.weights
    signatures = {image.name: len(image.signatures) for image in index.release.images}
    costs = dict(bundle.costs.images)
    return {
        "kind": _kind(index),
        "name": name,
        "bytes": bundle.size,
        "format_version": bundle.format_version,
        **_release_data(index.release, index.release_id),
        "signatures": [{"type": key and key.type, "fingerprint": key and key.fingerprint} for key in bundle.signatures],
        "bases": [{"id": str(base.id), "name": base.name} for base in index.bases],
        "removed": list(index.removed),
        "image_bytes": _image_bytes(images, weights),
        "blob_bytes": index.release.size,
        "stored_bytes": sum(blob.size for blob in index.stored),
        "patched_bytes": sum(blob.size for blob in index.patched),
        "patch_bytes": sum(step.patch_size for step in index.steps),
        "unattributed_bytes": bundle.costs.unattributed,
        "difference_bytes": sum(each.difference for each in bundle.patches),
        "decisions_bytes": sum(each.decisions for each in bundle.patches),
        "views_bytes": sum(each.views for each in bundle.patches),
        "features": [{"name": feature.name, "since": feature.since} for feature in index.features],
        "rebuilt_uncompressed_bytes": sum(step.uncompressed_size for step in index.steps),
        "needed": [{"digest": str(blob.digest), "bytes": blob.size} for blob in index.needed],
        "needed_bytes": sum(blob.size for blob in index.needed),
        "images": [
            {**image, "cost_bytes": costs.get(name, 0), "signatures": signatures[name]}
            for name, image in zip(images, _image_data(images, weights), strict=True)
        ],
        "blobs": [
            {"digest": str(b.digest), "bytes": b.size, "media_type": b.media_type, "disposition": its.name.lower()}
            for b, its in zip(index.release.blobs, index.dispositions, strict=True)
        ],
        "steps": _step_data(bundle),
    }


def _step_data(bundle: BundleReport) -> list[dict[str, object]]:
    place = bundle.places
    return [
        {
            "digest": str(each.step.digest),
            "bytes": each.step.size,
            "uncompressed_bytes": each.step.uncompressed_size,
            "patch_bytes": each.step.patch_size,
            "saved_bytes": each.saved,
            "method": each.method,
            "difference_bytes": each.difference,
            "decisions_bytes": each.decisions,
            "views_bytes": each.views,
            "sources": [{"digest": str(source), "place": place[source]} for source in each.step.sources],
        }
        for each in bundle.patches
    ]


def _bundle_lines(name: str, bundle: BundleReport) -> Iterator[str]:
    index, release, images, weights = bundle.index, bundle.index.release, _images(bundle), bundle.weights
    facts = [
        ["release", release.title + (f", number {release.sequence}" if release.sequence else "")],
        ["release id", str(index.release_id)],
        *([["expires", timestamp(release.expires)]] if release.expires else []),
        ["images", _images_line(images, weights, release.size)],
        ["blobs", _blobs_line(blob.size for blob in release.blobs)],
    ]
    facts += _signature_facts(bundle)
    facts += [["base", f"{base.name}, {base.id}"] for base in index.bases]
    if not index.has_links:
        facts.append(["brings", _blobs_line(blob.size for blob in index.stored)])
    if not index.is_full:
        facts.append(["needs", _blobs_line(blob.size for blob in index.needed)])
    if index.steps:
        made = sum(step.size for step in index.steps)
        patches = _blobs_line(step.patch_size for step in index.steps)
        facts.append(["patches", f"{patches}, which make {megabytes(made)}"])
        uncompressed = megabytes(sum(step.uncompressed_size for step in index.steps))
        facts.append(["to rebuild", f"{uncompressed} of uncompressed layers, when it is applied"])
    if index.features:
        facts.append(["features", ", ".join(feature.name for feature in index.features)])
    facts += [["removed", repository] for repository in index.removed]
    yield f"{name}: {_kind(index)} of {megabytes(bundle.size)}"
    yield from _indented(facts)
    yield ""
    yield from _image_table(images, weights, None if index.is_full else dict(bundle.costs.images))
    if not index.is_full and bundle.costs.unattributed:
        yield f"{megabytes(bundle.costs.unattributed)} belong to images whose manifests the target has"


def _signature_facts(bundle: BundleReport) -> Iterator[list[str]]:
    if not bundle.signatures:
        yield ["signatures", "none"]
        return
    yield ["signatures", f"{len(bundle.signatures)}, which 'airpatch verify --trust' checks"]
    for key in bundle.signatures:
        yield ["  by", "a key of a kind that is not accepted" if key is None else str(key)]


def _blob_lines(bundle: BundleReport) -> Iterator[str]:
    index = bundle.index
    yield ""
    dispositions = [each.name.lower().replace("_", " ") for each in index.dispositions]
    rows = [[str(b.digest), megabytes(b.size), disposition, b.media_type]
            for b, disposition in zip(index.release.blobs, dispositions, strict=True)]  # fmt: skip
    yield from table([["BLOB", "SIZE", "DISPOSITION", "TYPE"], *rows], right=[1])
    if bundle.patches:
        yield ""
        yield from table(list(_patch_rows(bundle)), right=[1, 2, 3, 4, 5])


def _patch_rows(bundle: BundleReport) -> Iterator[list[str]]:
    yield ["PATCHED", "SIZE", "PATCH", "SAVED", "DIFFERENCE", "DECISIONS", "METHOD", "SOURCES"]
    place = bundle.places
    for each in bundle.patches:
        step = each.step
        sizes = (step.size, step.patch_size, each.saved, each.difference, each.decisions)
        sources = ", ".join(f"{source.short} ({place[source]})" for source in step.sources) or _UNKNOWN
        yield [step.digest.short, *map(megabytes, sizes), each.method, sources]
    totals = zip(
        *((e.step.size, e.step.patch_size, e.saved, e.difference, e.decisions) for e in bundle.patches), strict=True
    )
    yield ["total", *(megabytes(sum(column)) for column in totals), "", ""]


def _root_data(name: str, found: RootReport) -> dict[str, object]:
    return {
        "kind": "root",
        "name": name,
        "current": {product: str(id_) for product, id_ in found.current.items()},
        "interrupted": None if found.interrupted is None else str(found.interrupted.id),
        "releases": [
            {
                **_release_data(receipt.release, receipt.id),
                "installed": timestamp(receipt.installed),
                "blob_bytes": receipt.release.size,
                "images": [{"name": str(i.name), "manifest": str(i.manifest)} for i in receipt.release.images],
            }
            for receipt in _by_age(found)
        ],
        "repositories": found.repositories,
        "image_bytes": _image_bytes(found.images, found.weights),
        "blob_bytes": sum(found.blobs.values()),
        "images": list(_image_data(found.images, found.weights)),
        "blobs": [{"digest": str(digest), "bytes": size} for digest, size in found.blobs.items()],
    }


def _root_lines(name: str, found: RootReport, *, with_blobs: bool) -> Iterator[str]:
    current = [found.receipts[id_] for _, id_ in sorted(found.current.items()) if id_ in found.receipts]
    facts = [["release", f"{receipt.release.title}, {receipt.id}"] for receipt in current]
    facts += [
        *([] if current else [["release", "none: nothing has been applied here yet"]]),
        ["images", _images_line(found.images, found.weights, sum(found.blobs.values()))],
        ["blobs", _blobs_line(found.blobs.values())],
    ]
    if found.interrupted is not None:
        facts.append(["interrupted", f"the apply of {found.interrupted.release.title}; run it again"])
    yield f"{name}: registry storage"
    yield from _indented(facts)
    if found.receipts:
        yield ""
        rows = [
            [
                receipt.release.title,
                str(receipt.release.sequence),
                str(len(receipt.release.images)),
                megabytes(receipt.release.size),
                timestamp(receipt.installed),
                receipt.id.short,
            ]
            for receipt in _by_age(found)
        ]
        head = ["RELEASE", "NUMBER", "IMAGES", "SIZE", "INSTALLED", "ID"]
        yield from table([head, *rows], right=[1, 2, 3])
    yield ""
    yield from _image_table(found.images, found.weights)
    if with_blobs:
        yield ""
        rows = [[str(digest), megabytes(size)] for digest, size in found.blobs.items()]
        yield from table([["BLOB", "SIZE"], *rows], right=[1])


def _images(bundle: BundleReport) -> Images:
    return {image.name: image.manifest for image in bundle.index.release.images}


def _kind(index: Index) -> str:
    return "bundle" if index.is_full else "patch"


def _by_age(found: RootReport) -> list[Receipt]:
    return sorted(found.receipts.values(), key=lambda r: (r.installed, r.release.sequence, r.release.name))


def _release_data(release: Release, id_: Digest) -> dict[str, object]:
    return {
        "product": release.product,
        "release": release.name,
        "sequence": release.sequence,
        "expires": expiry(release),
        "release_id": str(id_),
    }


def _image_data(images: Images, weights: Weights) -> Iterator[dict[str, object]]:
    for name, manifest in images.items():
        weight = weights.get(name)
        yield {
            "name": str(name),
            "manifest": str(manifest),
            "platforms": weight and weight.platforms,
            "layers": weight and weight.layers,
            "bytes": weight and weight.size,
            "own_bytes": weight and weight.own,
        }


def _image_bytes(images: Images, weights: Weights) -> int | None:
    """Return the total size of all images; None if one of them is unknown."""
    return sum(weight.size for weight in weights.values()) if len(weights) == len(images) else None


def _images_line(images: Images, weights: Weights, distinct: int) -> str:
    size = _image_bytes(images, weights)
    if size is None:
        return f"{len(images):,}"
    return f"{len(images):,} of {megabytes(size)}, sharing saves {megabytes(max(size - distinct, 0))}"


def _blobs_line(sizes: Iterable[int]) -> str:
    sizes = list(sizes)
    return f"{len(sizes):,} of {megabytes(sum(sizes))}"


def _image_table(images: Images, weights: Weights, costs: Mapping[ImageName, int] | None = None) -> list[str]:
    """Return the images, and in a patch what each costs; the cost of what several share is divided among them."""
    rows = [["IMAGE", "LAYERS", "SIZE", "OWN", *(["COST"] if costs is not None else []), "MANIFEST"]]
    for name, manifest in images.items():
        weight = weights.get(name)
        layers = _UNKNOWN if weight is None else str(weight.layers)
        size = _UNKNOWN if weight is None else megabytes(weight.size)
        own = _UNKNOWN if weight is None or weight.own is None else megabytes(weight.own)
        cost = [] if costs is None else [megabytes(costs.get(name, 0))]
        rows.append([str(name), layers, size, own, *cost, manifest.short])
    return table(rows, right=range(1, len(rows[0]) - 1))


def _indented(rows: list[list[str]]) -> list[str]:
    return [f"  {line}" for line in table(rows)]
