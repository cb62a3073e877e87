"""All images of all sources as one release, its manifests and its content: what a bundle is made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.content import BlobReader, Content, check_blob, missing
from airpatch.blobs.scratch import files_beside
from airpatch.errors import AirpatchError, FormatError, SourceError, UsageError
from airpatch.layers.rebuilt import Rebuilding
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image, Release, assemble, check_label
from airpatch.sources.kinds import open_source
from airpatch.sources.references import pick, read_images_list, select
from airpatch.sources.source import FoundImage, LoadedImage, Source


@dataclass(frozen=True, slots=True)
class _Owner:
    """The first image that has a blob, and where it has it."""

    image: ImageName
    size: int
    content: Content


class GatheredContent:
    """Each blob and signature out of the first image that has it."""

    def __init__(self) -> None:
        self._owners: dict[Digest, _Owner] = {}

    def add(self, digest: Digest, image: ImageName, size: int, content: Content) -> None:
        self._owners.setdefault(digest, _Owner(image, size, content))

    def size(self, digest: Digest) -> int | None:
        owner = self._owners.get(digest)
        return None if owner is None else owner.content.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        owner = self._owners.get(digest)
        if owner is None:
            raise missing(digest, "any of the images")
        return owner.content.open(digest, size)

    def wrong(self) -> list[str]:
        """Hash everything; returns what does not have its digest, or cannot be read."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [finding for finding in pool.map(self._wrong, self._owners) if finding is not None]

    def _wrong(self, digest: Digest) -> str | None:
        owner = self._owners[digest]
        try:
            check_blob(owner.content, digest, owner.size)
        except AirpatchError as error:
            return f"{owner.image}: {error.message}"
        return None


@dataclass(frozen=True, slots=True)
class Gathered:
    """`manifests` has all manifests of `release`, `content` all else: layers, configs, signatures."""

    release: Release
    manifests: Mapping[Digest, bytes]
    content: Content


def gather(
    specs: Sequence[str],
    rebuilding: Rebuilding | None = None,
    *,
    images_list: Path | None = None,
    picks: Sequence[str] = (),
    name: str | None = None,
    sequence: int | None = None,
) -> Gathered:
    """Read the sources `specs`: all images, or those of the file `images_list`, and of these the `picks`.

    Blobs that a bundle has as layer patches are made as `rebuilding` says, by default with scratch files in the current
    folder. Without a `name` the release has that of the bundle, if all of one bundle is all there is, together with its
    sequence number; else the default of `assemble`. Manifests are verified here, blobs are looked for with their
    size, and hashed by whoever reads them.
    Raises SourceError with all findings of all sources; UsageError, FormatError as `open_source` and `pick` do.
    """
    try:
        check_label(name if name is not None else "default", sequence or 0)
    except FormatError as error:
        raise UsageError(error.message) from None
    sources = [open_source(spec) for spec in specs]
    entries, findings = _list(sources)
    if images_list is not None:
        try:
            entries, findings = select(read_images_list(images_list), entries), []
        except SourceError as error:
            raise SourceError(error.message, [*error.findings, *findings]) from None
    if picks:
        entries, findings = pick(picks, entries), []
    names = {entry.name for entry in entries}
    for source in sources:
        source.rebuild(names, rebuilding or Rebuilding(files_beside(Path())))
    gathering = _Gathering(findings)
    for entry in sorted(entries, key=lambda entry: entry.name):  # as the writer names the first image with a bad blob
        gathering.add(entry)
    whole = sources[0].release if len(sources) == 1 else None
    if name is None and whole is not None and len(gathering.images) == len(whole.images):
        name = whole.name
        sequence = whole.sequence if sequence is None else sequence
    return gathering.finish(name, sequence or 0)


def _list(sources: Iterable[Source]) -> tuple[list[FoundImage], list[str]]:
    entries: list[FoundImage] = []
    findings: list[str] = []
    for source in sources:
        listing = source.listing()
        entries += listing.images
        findings += listing.findings
    return entries, findings


class _Gathering:
    """What has been read so far, and everything that is wrong with it."""

    def __init__(self, findings: Iterable[str]) -> None:
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
                what = "manifests" if known.manifest != image.manifest else "signatures"
                self._findings.append(
                    f"{entry.name}: has other {what} in {entry.where} than in {self._where[entry.name]}"
                )
            return
        self._where[entry.name] = entry.where
        wrong = [*loaded.findings, *self._missing(entry.name, loaded)]
        self._findings += [f"{entry.name}: {finding}" for finding in wrong]
        if not wrong:
            self._sound.append(image)
        for digest, content in loaded.manifests.items():
            self._manifests.setdefault(digest, content)

    def finish(self, name: str | None, sequence: int) -> Gathered:
        if self._sound or not self._findings:
            try:
                release = assemble(self._sound, self._manifests, name=name, sequence=sequence)
            except FormatError as error:
                self._findings += error.findings or [error.message]
        if self._findings:
            self._findings += self._content.wrong()
            raise SourceError("images cannot be used as they are", list(dict.fromkeys(self._findings)))
        return Gathered(release, self._manifests, self._content)

    def _missing(self, name: ImageName, loaded: LoadedImage) -> Iterator[str]:
        """Look for every blob and signature of an image, tell which are missing, and keep the others."""
        for signature in loaded.signatures:
            self._content.add(signature.digest, name, signature.size, loaded.content)
        for manifest in loaded.parsed.values():
            for number, blob in enumerate(manifest.blobs):
                try:
                    with closing(loaded.content.open(blob.digest, blob.size)):
                        self._content.add(blob.digest, name, blob.size, loaded.content)
                except AirpatchError as error:
                    yield f"{'layer' if number else 'config'} {blob.digest}: {error.message}"
                    if blob.foreign and loaded.content.size(blob.digest) is None:
                        yield (
                            f"layer {blob.digest} is foreign ({blob.media_type}): registries need not hold it. Get its "
                            "content with 'skopeo copy docker://IMAGE dir:FOLDER' and use that folder as the source"
                        )
