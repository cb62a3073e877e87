"""What the layer patches of a bundle consist of, by their headers. Reads only, and nothing of their sections."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from airpatch.archive.bundle_file import BundleFile
from airpatch.errors import located
from airpatch.format.index import Index, Step
from airpatch.layers.recipe import Recipe, Whole, method_name, read_header
from airpatch.model.digest import Digest


@dataclass(frozen=True, slots=True)
class LayerPatch:
    """A step and the recipe of its layer patch. Sizes are bytes in the bundle."""

    step: Step
    recipe: Recipe

    @property
    def difference(self) -> int:
        """What makes the uncompressed layer out of those of the sources."""
        return 0 if isinstance(self.recipe.method, Whole) else self.recipe.sections[0]

    @property
    def decisions(self) -> int:
        """What the encoder decided, or where its members and frames are; unknown for `Whole`."""
        return sum(self.recipe.sections[1:]) - self.views

    @property
    def views(self) -> int:
        """What tells where nested content is, and which encoders make it again."""
        return 0 if self.recipe.views is None else sum(self.recipe.sections[-2:])

    @property
    def saved(self) -> int:
        """What is saved by not sending the blob whole; negative only in merged patches."""
        return self.step.size - self.step.patch_size

    @property
    def method(self) -> str:
        """As `method_name` has it."""
        return method_name(self.recipe.method)


def read_layer_patches(bundle: BundleFile) -> list[LayerPatch]:
    """Return the layer patches of `bundle`, in their order. Raises FormatError."""
    found = []
    for step in bundle.index.steps:
        with (
            located(f"{bundle.name}: layer patch of {step.digest}"),
            closing(bundle.open(step.patch, step.patch_size)) as patch,
        ):
            found.append(LayerPatch(step, read_header(patch, step.patch_size)))
    return found


def places(index: Index) -> dict[Digest, str]:
    """Return where each source of a step is when it is needed: `target`, `bundle`, or made by another `patch`."""
    stored = {blob.digest for blob in index.stored}
    found = {source.digest: "bundle" if source.digest in stored else "target" for source in index.sources}
    return found | dict.fromkeys((step.digest for step in index.steps), "patch")
