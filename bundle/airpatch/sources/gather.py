"""All images of all sources as one release, its manifests and its content: what a bundle is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.open_bundles import named_once
from airpatch.blobs.content import BlobReader, Content, check_blob, missing
from airpatch.blobs.scratch import with_scratch
from airpatch.errors import AirpatchError, FormatError, SourceError, UsageError
from airpatch.execution import Execution
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import (
    DEFAULT_PRODUCT,
    Image,
    Release,
    assemble,
    check_label,
    check_product,
    common_tag,
    owners,
)
from airpatch.progress import ProgressPart
from airpatch.registry_api.access import PullOptions
from airpatch.sources.kinds import listed_images, open_source
from airpatch.sources.platforms import absent_findings, absent_platforms
from airpatch.sources.source import FoundImage, Listing, LoadedImage, Source
from airpatch.worker_pool import worker_pool

if TYPE_CHECKING:
    from airpatch.archive.prepared import Arriving
    from airpatch.registry_api.remote_blobs import RemoteBlobs
    from airpatch.sources.image_references import Reference

_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The first image that has a blob, and where it gets it from."""

    image: ImageName
    size: int
    content: Content
    remote: RemoteBlobs | None


class GatheredContent:
    """Each blob and signature, from the first image that has it."""

    def __init__(self) -> None:
        self._owners: dict[Digest, _Owner] = {}

    def add(self, digest: Digest, size: int, image: ImageName, loaded: LoadedImage) -> None:
        """Take note that `image`, as `loaded`, has a blob or signature of `size` bytes."""
        self._owners.setdefault(digest, _Owner(image, size, loaded.content, loaded.remote))

    def size(self, digest: Digest) -> int | None:
        owner = self._owners.get(digest)
        return None if owner is None else owner.content.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        owner = self._owners.get(digest)
        if owner is None:
            raise missing(digest, "any of the images")
        return owner.content.open(digest, size)

    def remote(self, digests: Iterable[Digest]) -> dict[Digest, RemoteBlobs]:
        """Return where those of the blobs are that are on other hosts."""
        owners = {digest: self._owners[digest] for digest in digests if digest in self._owners}
        return {digest: owner.remote for digest, owner in owners.items() if owner.remote is not None}

    def wrong(self, execution: Execution) -> list[str]:
        """Hash everything that is local; return what does not have its digest or cannot be read."""
        here = {digest: owner for digest, owner in self._owners.items() if owner.remote is None}
        total = sum(owner.size for owner in here.values())
        images = {digest: owner.image for digest, owner in here.items()}
        with (
            execution.part("looking for damage", total, lambda: images) as part,
            worker_pool(execution.threads) as pool,
        ):
            found = pool.map(lambda digest: self._wrong(digest, part), here)
            return [finding for finding in found if finding is not None]

    def _wrong(self, digest: Digest, part: ProgressPart) -> str | None:
        owner = self._owners[digest]
        with part.share(owner.size, digest) as share:
            try:
                check_blob(owner.content, digest, owner.size, share.advance)
            except AirpatchError as error:
                return f"{owner.image}: {error.message}"
        return None


def _all_here(digests: Iterable[Digest]) -> Mapping[Digest, RemoteBlobs]:
    """No blob is on another host."""
    return {}


@dataclass(frozen=True, slots=True)
class Gathered:
    """`manifests` has all manifests of `release`, `content` everything else: layers, configs, signatures.

    `remarks` are what the user may want to know of the sources: what lies there but is not part of the release.
    """

    release: Release
    manifests: Mapping[Digest, bytes]
    content: Content
    remarks: tuple[str, ...] = ()
    is_name_guessed: bool = False
    """Whether the release is named after a tag, since the user gave it no name."""
    remote: Callable[[Iterable[Digest]], Mapping[Digest, RemoteBlobs]] = _all_here
    """Returns where those of the blobs are that are on other hosts."""

    def fetch(self, digests: Iterable[Digest], execution: Execution) -> None:
        """Fetch those of the blobs that are on other hosts. Raises SourceError, IntegrityError."""
        by_host: defaultdict[RemoteBlobs, list[Digest]] = defaultdict(list)
        for digest, remote in self.remote(digests).items():
            by_host[remote].append(digest)
        for remote, found in by_host.items():
            remote.fetch(found, execution)

    def arriving(self, order: Sequence[Digest]) -> Arriving | None:
        """Return the blobs on other hosts for whoever reads all of them in that order, each once; None if there are
        none.
        """
        remote = self.remote(order)
        if not remote:
            return None
        from airpatch.sources.arriving import ArrivingBlobs

        return ArrivingBlobs(self.content, remote, order)

    def owners(self) -> dict[Digest, ImageName]:
        """Return for each blob the first image that has it."""
        parsed = {digest: parse_manifest(content) for digest, content in self.manifests.items()}
        return owners(self.release.images, parsed)


def gather(
    specs: Sequence[str],
    execution: Execution | None = None,
    *,
    images_list: Path | None = None,
    picks: Sequence[str] = (),
    tags: Sequence[str] = (),
    pull: PullOptions | None = None,
    images_from: str | None = None,
    files: Sequence[str] = (),
    name: str | None = None,
    sequence: int | None = None,
    product: str | None = None,
    expires: int | None = None,
    product_of_bases: str | None = None,
    sequence_after_bases: int | None = None,
    opened: Callable[[Source], None] = lambda _: None,
    chosen_by: str | None = None,
) -> Gathered:
    """Read the sources `specs`: all images, or those listed in the file `images_list`, and of these the `picks`.

    `tags`, each `DIGEST=NAME:TAG`, or `NAME:TAG` for the only one, name images that have no tag.

    Blobs that a bundle has as layer patches are rebuilt in scratch files, by default in the current folder. Without a
    `name`, the release takes its name, its sequence number and the moment when it `expires` (seconds since 1970; 0:
    never) from the bundle, if the sources are exactly one whole bundle; else the default of `assemble`. Manifests are
    verified here; blobs are looked up with their size, and hashed by the code that reads them.
    `pull` says how to read `docker://` addresses; `images_from` is a place in a registry, `docker://HOST[/PREFIX]`,
    that has the images of `images_list`.
    `files`, `DIR=REPOSITORY` each, are folders that are packed as artifacts of the release, tagged by its name.
    `opened` is called with each source before any of it is used, and may refuse it. `chosen_by` is the option by which
    people choose images, for messages.
    Raises SourceError with all findings of all sources; UsageError, FormatError as `open_source` and `pick` do.
    """
    execution = with_scratch(execution or Execution(), Path())
    try:
        check_label(name if name is not None else "default", sequence or 0)
        check_product(product if product is not None else DEFAULT_PRODUCT)
    except FormatError as error:
        raise UsageError(error.message) from None
    pull = pull or PullOptions()
    if not specs and images_from is None and not files:
        raise UsageError("no images to pack: name a SOURCE, or a registry with --from")
    folders = []
    if files:
        from airpatch.files.packing import FilesOption  # most releases are images alone

        folders = [FilesOption.parse(text) for text in files]
    sources, references = _open_sources(specs, images_list, images_from, execution, pull)
    for source in sources:
        opened(source)
    listings = _list_images(sources, tags)
    images, findings = _choose_images(listings, references, picks)
    for source in sources:
        source.prepare({image.name for image in images}, execution)
    _LOG.info("images in the sources: %d, taken: %d", sum(len(listing.images) for listing in listings), len(images))
    gathering = _Gathering(findings, execution, chosen_by)
    for image in sorted(images, key=lambda image: image.name):  # so that the first image with a bad blob is named
        gathering.add(image)
    whole = sources[0].release if len(sources) == 1 else None
    if name is None and whole is not None and len(gathering.images) == len(whole.images):
        name = whole.name
        sequence = whole.sequence if sequence is None else sequence
        product = whole.product if product is None else product
        expires = whole.expires if expires is None else expires
    if product is None:
        product = product_of_bases if product_of_bases is not None else DEFAULT_PRODUCT
    if sequence is None:
        sequence = sequence_after_bases or 0
    if folders:
        from airpatch.sources.file_folders import files_image

        guessed = common_tag(list(gathering.images.values())) if gathering.images else None
        if name is None and guessed is None:
            raise UsageError("a release of files alone needs a name: give it one with --release")
        for folder in folders:
            gathering.add(files_image(folder, name or str(guessed), execution.scratch))
    gathered = gathering.finish(name, sequence, product, expires or 0)
    gathered = replace(gathered, is_name_guessed=name is None)
    release = gathered.release
    _LOG.info(
        "release %s of %s, number %d: %s", release.name, release.product, release.sequence,
        "the tag that most images carry" if name is None else "the name that was given, or that of the bundle",
    )  # fmt: skip
    if images_list is not None or picks:
        return gathered
    used = {blob.digest for blob in gathered.release.blobs}
    remarks = [remark for listing in listings for remark in listing.remarks]
    remarks += [remark for source in sources for remark in source.leftovers(used)]
    return replace(gathered, remarks=tuple(remarks))


def _open_sources(
    specs: Sequence[str], images_list: Path | None, images_from: str | None, execution: Execution, pull: PullOptions
) -> tuple[list[Source], list[Reference] | None]:
    """Return the sources, and the references of the images list, unless they are a source of their own."""
    sources = [open_source(spec, execution.scratch, pull) for spec in named_once(specs)]
    references = None
    if images_list is not None:
        from airpatch.sources.image_references import read_images_list  # most releases are all that a source has

        references = read_images_list(images_list)
    if images_from is None:
        return sources, references
    return [*sources, listed_images(images_from, references, execution.scratch, pull)], None


def _list_images(sources: Sequence[Source], tags: Sequence[str]) -> list[Listing]:
    """Return what each of the sources has; `tags` name images that have no tag."""
    listings = [source.listing({}) for source in sources]
    if tags:
        from airpatch.sources.given_names import resolve_names  # most images have tags

        names = resolve_names(tags, listings)
        listings = [source.listing(names) for source in sources]
    for listing in listings:
        for found in listing.images:
            _LOG.debug("image %s: in %s", found.name, found.where)
    return listings


def _choose_images(
    listings: Sequence[Listing], references: Sequence[Reference] | None, picks: Sequence[str]
) -> tuple[list[FoundImage], list[str]]:
    """Return the images that are wanted; and, where that is all there are, what is wrong with the sources."""
    images = [image for listing in listings for image in listing.images]
    findings = [finding for listing in listings for finding in _findings(listing)]
    if references is not None:
        from airpatch.sources.image_references import select

        try:
            images, findings = select(references, images), []
        except SourceError as error:
            raise SourceError(error.message, [*error.findings, *findings]) from None
    if picks:
        from airpatch.sources.image_references import pick

        images, findings = pick(picks, images), []
    return images, findings


def _findings(listing: Listing) -> list[str]:
    return [*listing.findings, *(image.finding for image in listing.unnamed)]


class _Gathering:
    """What has been read so far, and everything that is wrong with it."""

    def __init__(self, findings: Iterable[str], execution: Execution, chosen_by: str | None) -> None:
        self._execution = execution
        self._chosen_by = chosen_by
        self.images: dict[ImageName, Image] = {}
        self._where: dict[ImageName, str] = {}
        self._manifests: dict[Digest, bytes] = {}
        self._content = GatheredContent()
        self._findings = list(findings)
        self._sound: list[Image] = []

    def add(self, entry: FoundImage) -> None:
        try:
            loaded = entry.load()
        except AirpatchError as error:
            self._findings.append(f"{entry.name}: {error.message}")
            return
        image = Image(entry.name, loaded.manifest, loaded.signatures)
        known = self.images.setdefault(entry.name, image)
        if known is not image:
            if known != image:
                self._findings.append(f"{entry.name}: {self._difference(entry, known, image)}")
            _LOG.info("image %s: from %s; %s has it, too", entry.name, self._where[entry.name], entry.where)
            return
        self._where[entry.name] = entry.where
        wrong = [*_contradictions(entry, loaded), *loaded.findings, *self._missing(entry, loaded)]
        self._findings += [f"{entry.name}: {finding}" for finding in wrong]
        if not wrong:
            self._sound.append(image)
        for digest, content in loaded.manifests.items():
            self._manifests.setdefault(digest, content)

    def finish(self, name: str | None, sequence: int, product: str, expires: int) -> Gathered:
        if self._sound or not self._findings:
            try:
                release = assemble(
                    self._sound, self._manifests, name=name, sequence=sequence, product=product, expires=expires
                )
            except FormatError as error:
                self._findings += error.findings or [error.message]
        if self._findings:
            self._findings += self._content.wrong(self._execution)
            way_out = f"; to do without them, choose the others with {self._chosen_by}"
            way_out = way_out if self._sound and self._chosen_by is not None else ""
            raise SourceError(f"some images cannot be used as they are{way_out}", list(dict.fromkeys(self._findings)))
        return Gathered(release, self._manifests, self._content, remote=self._content.remote)

    def _difference(self, entry: FoundImage, known: Image, image: Image) -> str:
        where, other = entry.where, self._where[entry.name]
        if known.manifest == image.manifest:
            return f"has other signatures in {where} than in {other}"
        if where == other:
            return f"is the name of two images in {where}: {known.manifest} and {image.manifest}"
        return f"has other manifests in {where} than in {other}"

    def _missing(self, entry: FoundImage, loaded: LoadedImage) -> Iterator[str]:
        """Look for every blob and signature of an image; yield which are missing, and keep the others."""
        for signature in loaded.signatures:
            self._content.add(signature.digest, signature.size, entry.name, loaded)
        absent = absent_platforms(loaded)
        yield from absent_findings(loaded, absent, entry.where)
        for digest, manifest in loaded.parsed.items():
            for number, blob in enumerate(manifest.blobs if digest not in absent else ()):
                try:
                    with closing(loaded.content.open(blob.digest, blob.size)):
                        self._content.add(blob.digest, blob.size, entry.name, loaded)
                except AirpatchError as error:
                    if blob.foreign and loaded.content.size(blob.digest) is None:
                        yield (
                            f"layer {blob.digest} is missing: it is foreign ({blob.media_type}), and registries need "
                            "not hold it. Get its content with 'skopeo copy docker://IMAGE dir:FOLDER' and use that "
                            "folder as the source"
                        )
                    else:
                        yield f"{'layer' if number else 'config'} {blob.digest}: {error.message}"


def _contradictions(entry: FoundImage, loaded: LoadedImage) -> Iterator[str]:
    """Yield what the source wrongly says about an image."""
    if entry.digest not in (None, loaded.manifest):
        yield (
            f"{entry.where} says {entry.digest}, but its manifest is {loaded.manifest}. If the first is the index of "
            "all platforms and the second the image of one, copy all of them ('skopeo sync --all', 'skopeo copy --all')"
        )
