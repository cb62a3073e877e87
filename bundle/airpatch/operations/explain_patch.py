"""What a patch will cost before it is made, and what makes it grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.scratch import with_scratch
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.layers.versions import VERSIONS
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.operations.arguments import Paths, StrPath
from airpatch.operations.create_bundle import gather_release
from airpatch.operations.make_patch import label_for, prepare_patch
from airpatch.operations.pages import page_file
from airpatch.patches.bases import BaseState
from airpatch.patches.places import manifests_in
from airpatch.registry_api.access import PullOptions
from airpatch.report.forecast import BlobCost, forecast
from airpatch.report.html_page import PageKind, html_page
from airpatch.report.patch_document import patch_document
from airpatch.report.patch_report import InstalledImages, PatchReport, report_patch
from airpatch.report.usage import usage


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a patch will cost: `costs` of all blobs that it contains, the costliest first; `report` has every byte.

    `index` is that of the patch; `images` has for each blob the images that it belongs to. `unrestricted` is what all
    blobs would cost together if every reader were this airpatch, in bytes; None where that makes no difference.
    """

    index: Index
    costs: tuple[BlobCost, ...]
    images: Mapping[Digest, tuple[ImageName, ...]]
    report: PatchReport
    warnings: tuple[str, ...] = ()
    unrestricted: int | None = None

    @property
    def document(self) -> dict[str, object]:
        """The `report` in JSON's types (spec/json.schema.json, `patch_report`)."""
        return patch_document(self.report, self.costs, self.images)


def explain(
    bases: Paths,
    sources: Paths,
    *,
    release: str | None = None,
    sequence: int | None = None,
    product: str | None = None,
    images_list: StrPath | None = None,
    tags: Sequence[str] = (),
    images_from: str | None = None,
    pull: PullOptions | None = None,
    files: Sequence[str] = (),
    content: Paths = (),
    readers: Sequence[str] = (),
    effort: str = "default",
    html: StrPath | None = None,
    execution: Execution | None = None,
) -> Explanation:
    """Report the cost in bytes of the patch that `diff` would make, layer by layer and file by file, and what changed.

    Takes as long as making the patch, twice as long if `readers` lack what it would use. Images that changed are read
    whole. With `html`, the report is also written to that file, a page that loads nothing.

    Scratch files lie in the current folder. Raises what `diff` raises.
    """
    execution = with_scratch(execution or Execution(), Path.cwd())
    with page_file(html, sources, bases, content) as page:
        label = label_for(bases, release, sequence, product)
        gathered = gather_release(sources, execution, label, images_list, tags, images_from, pull, files)
        prepared = prepare_patch(bases, gathered, execution, effort, content=content, readers=readers, pull=pull)
        images = usage(gathered.release.images, gathered.manifests).images
        with prepared.bundle as bundle:
            costs = forecast(bundle, execution, prepared.reader)
            report = report_patch(bundle, costs, images, _installed(prepared.bases), execution)
        unrestricted = None
        if prepared.reader.missed:
            likewise = prepare_patch(
                bases, gathered, execution, effort, content=content, readers=VERSIONS[-1:], pull=pull
            )
            with likewise.bundle as other:
                unrestricted = _patch_size(other.index)
        found = Explanation(bundle.index, tuple(costs), images, report, prepared.warnings, unrestricted)
        if page is not None:
            page.write([html_page(PageKind.PATCH, _title(bundle.index), {"report": found.document})])
    return found


def _title(index: Index) -> str:
    return f"Patch from {' or '.join(base.name for base in index.bases)} to {index.release.title}"


def _installed(bases: Sequence[BaseState]) -> InstalledImages:
    """Return the images of the first of `bases` whose images are known."""
    for base in bases:
        if base.images and base.content is not None:
            return InstalledImages(base.base.name, base.images, manifests_in(base.content, base.blobs), base.content)
    return InstalledImages(None, (), lambda _: None, None)


def _patch_size(index: Index) -> int:
    """Return the bytes of whole blobs and layer patches, as the costs of an explanation add up to."""
    whole = sum(blob.size for blob in index.stored if not blob.is_manifest)
    return whole + sum(step.patch_size for step in index.steps)
