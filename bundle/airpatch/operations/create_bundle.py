"""Packs images into a full bundle."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.pack import pack
from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.output import STDOUT, DescriptorSink, destination
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.operations.arguments import Paths, StrPath, beside, check_apart, effort_of, names
from airpatch.registry_api.access import PullOptions
from airpatch.report.costs import Costs, costs_of
from airpatch.signing import NAMESPACE
from airpatch.sources.gather import Gathered, gather
from airpatch.timestamps import emit_timestamp

if TYPE_CHECKING:
    from airpatch.signing.policy import Sign
    from airpatch.tool.executable import Executable


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """A bundle that was written.

    `output` is the file's name, `-` standard output; `size` its bytes; `index` says what is in it, `costs` what makes
    it large. `warnings` tell people what may not be as they expect.
    """

    output: str
    size: int
    index: Index
    costs: Costs
    warnings: tuple[str, ...] = ()


def create(
    sources: Paths,
    output: StrPath,
    *,
    release: str | None = None,
    sequence: int | None = None,
    product: str | None = None,
    expires: int | None = None,
    images_list: StrPath | None = None,
    tags: Sequence[str] = (),
    images_from: str | None = None,
    pull: PullOptions | None = None,
    files: Sequence[str] = (),
    repack: bool = False,
    effort: str = "default",
    key: StrPath | None = None,
    with_tool: StrPath | bool = False,
    execution: Execution | None = None,
) -> WrittenBundle:
    """Pack the images of `sources` into a full bundle, which holds each blob once (spec/FORMAT.md).

    `sources` are trees of skopeo's `dir:` images, roots of a registry's storage, OCI layouts or bundles; a prefix
    (`dir:`, `registry:`, `oci:`, `bundle:`) disambiguates. `images_list` is a file with one image reference a line:
    only these are taken. `tags` name images that have no tag: `DIGEST=NAME:TAG` each, or `NAME:TAG` for the only one of
    the sources. `docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]` is an image in a registry, and `images_from`,
    `docker://HOST[/PREFIX]`, a registry that has the images of `images_list`; `pull` says how to fetch them
    (docs/REGISTRIES.md). `files`, `DIR=REPOSITORY` each, are folders of other files that belong to the release, such as
    scripts and charts; they are packed as OCI artifacts under its name. `release` names the release (default: the tag
    that most of its images carry), `sequence` is its number, which grows from release to release of the `product`
    (default: 0; of the product: that of a single bundle as the source, else `default`). From `expires` on, in seconds
    since 1970, hosts refuse the release (default: never, or, with a single bundle as the source, when that expires).

    The bundle is written to the file `output`, which has its name only once it is complete; `-` is standard output. The
    same images give the same bytes. With `repack`, layers travel uncompressed where that makes the bundle smaller, and
    are recompressed on the target, bit for bit; `effort` is then `fast`, `default` or `best`. With `key`, the bundle is
    signed as by `sign`. `with_tool`, the folder of a release of airpatch, or True for the running executable, puts the
    executable and a README.txt for the person on site beside the bundle.

    Raises SourceError with all findings if images are unusable, UsageError, FormatError for a damaged bundle, and
    TargetError if `output` cannot be written.
    """
    check_apart(output, sources)
    execution = beside(execution, output)
    tool = find_tool(with_tool, output)
    with open_output(output, key) as place:
        label = Label(release, sequence, product, expires)
        gathered = gather_release(sources, execution, label, images_list, tags, images_from, pull, files)
        with prepare(gathered, repack, effort, execution) as bundle:
            made = place.write(bundle, execution, gathered.remarks)
    return add_tool(made, tool, is_signed=key is not None)


def find_tool(with_tool: StrPath | bool, output: StrPath) -> list[Executable]:
    """Return the executables to put beside `output`, verified before the work begins. Raises UsageError."""
    if with_tool is False:
        return []
    if os.fspath(output) == STDOUT:
        raise UsageError(
            "--with-tool puts the executable beside the bundle, but that goes to standard output: name a file"
        )
    from airpatch.tool.executable import executables_of, own_executable  # few bundles travel with the tool

    return own_executable() if with_tool is True else executables_of(Path(with_tool))


def add_tool(made: WrittenBundle, executables: Sequence[Executable], *, is_signed: bool) -> WrittenBundle:
    """Put `executables`, if there are any, beside the bundle that was `made`."""
    if not executables:
        return made
    from airpatch.tool.executable import put_beside

    remarks = put_beside(Path(made.output), made.index, executables, is_signed=is_signed)
    return replace(made, warnings=(*made.warnings, *remarks))


def prepare(gathered: Gathered, repack: bool, effort: str, execution: Execution) -> PreparedBundle:
    """Return the full bundle of `gathered`."""
    index = Index.full(gathered.release)
    if not repack:
        arriving = gathered.arriving([blob.digest for blob in index.stored])
        return PreparedBundle(index, gathered.manifests, gathered.content, arriving=arriving)
    gathered.fetch((blob.digest for blob in index.stored), execution)
    # Imported here, because most bundles are made without the differ and what it loads.
    from airpatch.patches.layer_patching import patch_layers

    return patch_layers(index, gathered, [], execution, effort_of(effort))


@dataclass(frozen=True, slots=True)
class Label:
    """What to call a release; what is None is derived, for a patch from its bases."""

    release: str | None
    sequence: int | None
    product: str | None
    expires: int | None
    product_of_bases: str | None = None
    sequence_after_bases: int | None = None


def gather_release(
    sources: Paths,
    execution: Execution,
    label: Label,
    images_list: StrPath | None,
    tags: Sequence[str],
    images_from: str | None = None,
    pull: PullOptions | None = None,
    files: Sequence[str] = (),
) -> Gathered:
    """Return the release of all images of `sources`, or of those in `images_list`."""
    gathered = gather(
        names(sources),
        execution,
        images_list=None if images_list is None else Path(images_list),
        tags=tags,
        images_from=images_from,
        pull=pull,
        files=files,
        name=label.release,
        sequence=label.sequence,
        product=label.product,
        expires=label.expires,
        product_of_bases=label.product_of_bases,
        sequence_after_bases=label.sequence_after_bases,
        chosen_by="--images-list",
    )
    release = gathered.release
    if release.expires and release.expires <= time.time():
        moment = emit_timestamp(release.expires)
        warning = f"the release expired at {moment} by this host's clock: every host with a correct clock refuses it"
        gathered = replace(gathered, remarks=(warning, *gathered.remarks))
    if not gathered.is_name_guessed:
        return gathered
    count, total = sum(image.name.tag == release.name for image in release.images), len(release.images)
    origin = f"the tag of {count} of {total} images" if total > 1 else "the tag of its only image"
    guess = f"the release is named {release.name}, after {origin}"
    return replace(gathered, remarks=(guess, *gathered.remarks))


@dataclass(frozen=True, slots=True)
class Output:
    """Where to write a bundle, and the key to sign it with, both checked before the work begins."""

    name: str
    sink: DescriptorSink
    sign: Sign | None

    def write(self, bundle: PreparedBundle, execution: Execution, warnings: tuple[str, ...] = ()) -> WrittenBundle:
        """Write `bundle`. Raises what `pack` raises, and TrustError if an agent refuses to sign."""
        if self.sign is not None:
            bundle = replace(bundle, signatures=[self.sign(emit_index(bundle.index), NAMESPACE)])
        return WrittenBundle(
            self.name,
            pack(bundle, self.sink, execution),
            bundle.index,
            costs_of(bundle.index, bundle.manifests),
            warnings,
        )


@contextmanager
def open_output(output: StrPath, key: StrPath | None) -> Iterator[Output]:
    """Yield the destination `output`, a file or `-`; the file gets its name when the block has succeeded."""
    sign = None
    if key is not None:
        from airpatch.signing.signer import open_key  # imported here, because most bundles are made without a key

        sign = open_key(key)
    with destination(os.fspath(output)) as sink:
        yield Output(os.fspath(output), sink, sign)
