"""A release: a named set of images and the table of all blobs that they need.

The table lists blobs in the order in which they are written to an archive and to a target: layers and configs by
falling size, then manifests, children before the indexes that name them (spec/FORMAT.md, The table of blobs).
Everything here is a value; `assemble` builds it from manifests, `check_manifests` holds a finished one against them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import MANIFEST_TYPES, Descriptor, Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.printable import is_printable
from airpatch.model.walk import walk

MAX_NESTING = 8
"""Levels of indexes within indexes; images seen in the wild have one, attestations make two."""
MAX_SIGNED = 1 << 22
"""Manifests and children that are walked to check signatures: below each manifest of tags, for each repository."""
SHOWN_FINDINGS = 100
"""What is wrong beyond these is only counted: few bytes can be wrong in very many ways."""
MAX_SIGNED_COMPONENT = 255 - len("@sha256=") - 64
"""Characters of the last part of a repository with signatures: their folder is `PART@sha256=HEX` (NAME_MAX is 255)."""
MAX_SEQUENCE = 2**63 - 1
MAX_TIME = 253_402_300_799
"""Seconds since 1970: the end of the year 9999."""
MAX_RELEASE_NAME = 255
"""Bytes of UTF-8 of a release's or product's name; what a file name can hold."""
DEFAULT_PRODUCT = "default"
"""The product of releases of which nobody said another."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One row of the table: content under a digest. `size` in bytes."""

    digest: Digest
    size: int
    media_type: str

    @property
    def is_manifest(self) -> bool:
        return self.media_type in MANIFEST_TYPES


@dataclass(frozen=True, slots=True)
class ImageSignature:
    """A detached signature of `manifest`, which skopeo keeps beside an image (`signature-N` in a `dir:` folder)."""

    manifest: Digest
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """A tag, the manifest or index that it points to, and detached signatures.

    Those of one manifest follow each other in the order of their numbers; manifests are in the order of digests.
    """

    name: ImageName
    manifest: Digest
    signatures: tuple[ImageSignature, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A state of a product: `images` sorted by name; `blobs` in archive order.

    `sequence` grows from release to release of a product, and is 0 for releases that are not numbered. From `expires`
    on, in seconds since 1970, no bundle of the release is accepted any more; 0 stands for never.
    """

    name: str
    sequence: int
    images: tuple[Image, ...]
    blobs: tuple[Blob, ...]
    product: str = DEFAULT_PRODUCT
    expires: int = 0

    @property
    def title(self) -> str:
        """The name, and the product unless that is the default."""
        return titled(self.name, self.product)

    @property
    def size(self) -> int:
        """Bytes of all blobs, each counted once."""
        return sum(blob.size for blob in self.blobs)


@dataclass(slots=True)
class _Collected:
    """The blobs below the images' manifests, and everything that is wrong with them."""

    manifests: Mapping[Digest, bytes]
    parsed: dict[Digest, Manifest | None] = field(default_factory=dict)
    seen: set[Digest] = field(default_factory=set)
    blobs: dict[Digest, Blob] = field(default_factory=dict)
    heights: dict[Digest, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    more: int = 0
    """Findings that are only counted."""

    def add(self, where: str, digest: Digest, size: int, media_type: str) -> None:
        known = self.blobs.get(digest)
        if known is None:
            self.blobs[digest] = Blob(digest, size, media_type)
            return
        if known.size != size:
            self.findings.append(f"{where}: {digest} has {size} bytes here and {known.size} elsewhere")
        if (media_type not in MANIFEST_TYPES, media_type) < (not known.is_manifest, known.media_type):
            self.blobs[digest] = Blob(digest, known.size, media_type)

    def descend(self, where: str, top: Digest) -> None:
        """Add the manifest `top` and everything below it that no image before has."""
        for digest, manifest in walk([top], partial(self.parse, where), self.seen):
            self.add(where, digest, len(self.manifests[digest]), manifest.media_type)
            for blob in manifest.blobs:
                self.add(where, blob.digest, blob.size, blob.media_type)
            for child in manifest.manifests:
                self.check_claim(where, child)
            below = (self.heights.get(child.digest, 0) for child in manifest.manifests)
            self.heights[digest] = 1 + max(below, default=0) if manifest.is_index else 0
            if self.heights[digest] > MAX_NESTING:
                self.findings.append(f"{where}: indexes are nested more than {MAX_NESTING} deep")

    def check_claim(self, where: str, claim: Descriptor) -> None:
        """Compare what an index says about a child with the child."""
        manifest = self.parsed.get(claim.digest)
        if manifest is None:
            return
        size = len(self.manifests[claim.digest])
        if (claim.size, claim.media_type) != (size, manifest.media_type):
            self.findings.append(
                f"{where}: manifest {claim.digest} is {size} bytes of {manifest.media_type}, where its index claims "
                f"{claim.size} bytes of {claim.media_type}"
            )

    def parse(self, where: str, digest: Digest) -> Manifest | None:
        content = self.manifests.get(digest)
        self.parsed[digest] = None
        if content is None:
            self.findings.append(f"{where}: manifest {digest} is missing")
            return None
        try:
            self.parsed[digest] = parse_manifest(content)
        except FormatError as error:
            self.findings.append(f"{where}: {digest}: {error.message}")
        return self.parsed[digest]

    def check_signatures(self, images: Sequence[Image]) -> None:
        """Find signatures of manifests that their image does not have, and manifests signed under some tags only.

        A target keeps signatures by repository and manifest, not by tag. All manifests of `images` are parsed.
        """
        manifests = {digest: manifest for digest, manifest in self.parsed.items() if manifest is not None}
        signed: defaultdict[str, set[Digest]] = defaultdict(set)
        for image in images:
            for signature in image.signatures:
                signed[image.name.repository].add(signature.manifest)
        tagged: defaultdict[tuple[str, Digest], list[Image]] = defaultdict(list)
        for image in images:
            if image.name.repository in signed:
                tagged[image.name.repository, image.manifest].append(image)
        walked = 0
        for (repository, top), same in tagged.items():
            below = dict(walk([top], manifests.__getitem__))
            walked += sum(1 + len(manifest.manifests) for manifest in below.values())
            if walked > MAX_SIGNED:
                self.findings.append(f"repositories with signatures have more than {MAX_SIGNED} manifests in all")
                return
            expected = signed[repository].intersection(below)
            for image in same:
                own = {signature.manifest for signature in image.signatures}
                self._lacking(f"{image.name}: has signatures of manifests that it does not have: {{}}", own, expected)
                self._lacking(f"{image.name}: {{}} has no signatures here but under another tag", expected, own)

    def _lacking(self, finding: str, digests: AbstractSet[Digest], others: AbstractSet[Digest]) -> None:
        """Find each of `digests` that `others` lack; in less time than their number, when there is no more room."""
        count = len(digests) - len(digests & others)
        room = max(0, SHOWN_FINDINGS - len(self.findings))
        if count and room:
            self.findings += [finding.format(digest) for digest in sorted(digests - others)[:room]]
        self.more += max(0, count - room)

    def table(self) -> tuple[Blob, ...]:
        def order(blob: Blob) -> tuple[bool, int, Digest]:
            manifest = blob.digest in self.heights
            return manifest, self.heights[blob.digest] if manifest else -blob.size, blob.digest

        return tuple(sorted(self.blobs.values(), key=order))


def assemble(
    images: Iterable[Image],
    manifests: Mapping[Digest, bytes],
    *,
    name: str | None = None,
    sequence: int = 0,
    product: str = DEFAULT_PRODUCT,
    expires: int = 0,
) -> Release:
    """Return the release of `images`, whose manifests and those below them are in `manifests`.

    Without a `name` the release takes the tag that most of its images carry, the greatest of several.
    Raises FormatError with all findings, of which the first 100 are listed: no image, two images of one name, a
    missing, unknown or contradictory manifest, a blob with two sizes, names whose folders would lie inside each other.
    """
    found = _Collected(manifests)
    ordered = sorted(images, key=lambda image: image.name)
    found.findings.extend(image_findings(ordered))
    for image in ordered:
        found.descend(str(image.name), image.manifest)
    if sum(len(manifests[digest]) for digest in found.heights) > limits.MANIFESTS.value:
        found.findings.append(f"the manifests have more than {limits.MANIFESTS} bytes in all")
    if not found.findings:
        found.check_signatures(ordered)
    if found.findings:
        findings = list(dict.fromkeys(found.findings))
        if more := found.more + max(0, len(findings) - SHOWN_FINDINGS):
            findings[SHOWN_FINDINGS:] = [f"and {more} more"]
        raise FormatError("not a release", findings)
    if name is None:
        name = common_tag(ordered)
    check_label(name, sequence)
    check_product(product)
    check_time(expires)
    return Release(name, sequence, tuple(ordered), found.table(), product, expires)


def common_tag(images: Sequence[Image]) -> str:
    """Return the tag that most of `images`, at least one, carry; of several such tags the greatest."""
    tagged = [image for image in images if not image.name.has_derived_tag]
    tags = Counter(image.name.tag for image in tagged or images)
    return max(tags, key=lambda tag: (tags[tag], tag))


def titled(name: str, product: str) -> str:
    """Return what a release is called for people: its name, and its product unless that is the default."""
    return name if product == DEFAULT_PRODUCT else f"{name} of {product}"


def check_label(name: str, sequence: int) -> None:
    """Raise FormatError unless `name` and `sequence` can label a release."""
    if not 0 < len(name.encode(errors="replace")) <= MAX_RELEASE_NAME or not is_printable(name):
        raise FormatError(f"not a usable release name: {name!r:.300}")
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise FormatError(f"not a usable sequence number: {sequence}")


def check_product(name: str) -> None:
    """Raise FormatError unless `name` can name a product."""
    if not 0 < len(name.encode(errors="replace")) <= MAX_RELEASE_NAME or not is_printable(name):
        raise FormatError(f"not a usable product name: {name!r:.300}")


def check_time(seconds: int) -> None:
    """Raise FormatError unless `seconds` since 1970 are a moment that can be written down."""
    if isinstance(seconds, bool) or not 0 <= seconds <= MAX_TIME:
        raise FormatError(f"not a time: {seconds!r:.30}")


def check_manifests(release: Release, manifests: Mapping[Digest, bytes]) -> None:
    """Raise FormatError unless the table of `release` is the one that its manifests give."""
    built = assemble(
        release.images,
        manifests,
        name=release.name,
        sequence=release.sequence,
        product=release.product,
        expires=release.expires,
    )
    if built != release:
        raise FormatError("the table of blobs is not the one that the release's manifests give")


def owners(images: Iterable[Image], manifests: Mapping[Digest, Manifest]) -> dict[Digest, ImageName]:
    """Return for each manifest, layer and config the first of `images` that has it, as far as manifests are known."""
    found: dict[Digest, ImageName] = {}
    for image in images:
        for digest, manifest in walk([image.manifest], manifests.get):
            for needed in (digest, *(blob.digest for blob in manifest.blobs)):
                found.setdefault(needed, image.name)
    return found


def image_findings(images: Sequence[Image]) -> list[str]:
    """Return what is wrong with `images`, sorted by name, as far as it shows without their manifests."""
    findings = [] if images else ["no image"]
    signatures: dict[tuple[str, Digest], tuple[ImageSignature, ...]] = {}
    sizes: dict[Digest, int] = {}
    names = {str(image.name) for image in images}
    for image, following in pairwise(images):
        if following.name == image.name:
            findings.append(f"{image.name}: two images of this name")
    for image in images:
        if image.name.digest not in (None, image.manifest):
            findings.append(f"{image.name}: its tag says another digest than that of its manifest, {image.manifest}")
        for signature in image.signatures:
            if sizes.setdefault(signature.digest, signature.size) != signature.size:
                findings.append(f"{image.name}: the signature {signature.digest} has two sizes")
        if image.signatures and len(image.name.repository.rpartition("/")[2]) > MAX_SIGNED_COMPONENT:
            findings.append(
                f"{image.name}: has signatures, and the name of their folder would be longer than 255 bytes; shorten "
                f"the last part of the repository to {MAX_SIGNED_COMPONENT} characters, or leave the signatures out"
            )
        if image.name.repository.split("/")[0] in names:
            findings.append(f"{image.name}: its folder would lie inside that of another image")
        for manifest, own in groupby(image.signatures, key=lambda signature: signature.manifest):
            signed = tuple(own)
            if signatures.setdefault((image.name.repository, manifest), signed) != signed:
                findings.append(f"{image.name}: {manifest} has other signatures here than under another tag")
    return findings
