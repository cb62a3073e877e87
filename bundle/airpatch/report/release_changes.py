"""What changed between what targets have and a release: files and packages of each image that is not the same.

Only images of which something changed are read, each of their layers once. Images are compared by repository, and
within one by platform. What cannot be read, such as the layers of a target of which only an inventory is known, is not
guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airpatch.blobs.content import Content
from airpatch.errors import AirpatchError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor, Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.progress import ProgressPart
from airpatch.report.layer_files import LayerFiles, Stacked, read_layer, stacked
from airpatch.report.package import Package
from airpatch.report.package_records import Installed, owner_of, owners_of, packages_in
from airpatch.worker_pool import worker_pool

LISTED = 10_000
"""Changed files that are listed, over all images; the others are counted."""

Read = Callable[[Digest], bytes | None]
"""Returns a manifest, None where it is not known."""
PackageKey = tuple[str, str]
"""Manager and name."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that is `new`, `changed` or `removed`, and its sizes in bytes before and after, 0 where it is not."""

    path: str
    change: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package: its versions before and after, None where it is not there, and the sizes of its files in bytes."""

    manager: str
    name: str
    before: str | None
    after: str | None
    size_before: int
    size_after: int


@dataclass(frozen=True, slots=True)
class ImageChange:
    """An image that is not the same as `before`, None if there is none, for one `platform` if it has several.

    `counts` has how many files are new, changed and removed, None where layers could not be read; `files` are the
    largest of them. `packages` are those whose version changed; `unread` are databases that may tell of more packages.
    """

    name: ImageName
    platform: str
    before: ImageName | None
    counts: Mapping[str, int] | None = None
    files: tuple[FileChange, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class ReleaseChanges:
    """`images` that changed, and names of those that were `removed`.

    `owners` has of the files of each new layer the packages they belong to, `new_files` those that were not there
    before; `packages` what happened to a package in the first image that had it before, or has it now; `weights` about
    how many bytes the files of layers that were asked for take when they are compressed.
    """

    images: list[ImageChange] = field(default_factory=list)
    removed: list[ImageName] = field(default_factory=list)
    owners: dict[Digest, dict[str, PackageKey]] = field(default_factory=dict)
    new_files: dict[Digest, frozenset[str]] = field(default_factory=dict)
    packages: dict[PackageKey, PackageChange] = field(default_factory=dict)
    weights: dict[Digest, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An image manifest of the release, and what it is compared with."""

    name: ImageName
    platform: str
    after: Manifest
    before_name: ImageName | None
    before: Manifest | None

    def layers(self) -> Iterator[Descriptor]:
        for manifest in (self.after, self.before):
            if manifest is not None:
                yield from manifest.blobs[1:]


def release_changes(
    old: tuple[Sequence[Image], Read],
    new: tuple[Sequence[Image], Read],
    content: Content,
    whole: Iterable[Digest],
    execution: Execution,
) -> ReleaseChanges:
    """Return what changed from the `old` images to the `new` ones, given with their manifests; `content` has layers.

    The files of the layers `whole` are weighed. Raises what scratch files raise.
    """
    pairs, removed = _pairs(old, new)
    changes = ReleaseChanges(removed=removed)
    layers = _Layers(content, frozenset(whole), execution, pairs)
    limit = max(LISTED // max(len(pairs), 1), 10)
    with execution.part("looking for what changed", layers.total) as part:
        for pair in pairs:
            found = layers.read(pair, part)
            changes.images.append(_compare(pair, found, changes, limit))
            layers.release(pair)
    return changes


class _Layers:
    """Reads layers of pairs, and keeps their files as long as a later pair has them."""

    def __init__(
        self, content: Content, whole: frozenset[Digest], execution: Execution, pairs: Sequence[_Pair]
    ) -> None:
        self._content = content
        self._whole = whole
        self._execution = execution
        self._uses = Counter(digest for pair in pairs for digest in {layer.digest for layer in pair.layers()})
        self._kept: dict[Digest, LayerFiles | None] = {}
        self.total = sum({layer.digest: layer.size for pair in pairs for layer in pair.layers()}.values())

    def read(self, pair: _Pair, part: ProgressPart) -> Mapping[Digest, LayerFiles | None]:
        wanted = {layer.digest: layer.size for layer in pair.layers() if layer.digest not in self._kept}
        task = self._execution.task()

        def read(digest: Digest) -> LayerFiles | None:
            size = wanted[digest]
            with part.share(size, digest) as share:
                weighing = digest in self._whole
                return read_layer(self._content, digest, size, task, share.advance, weighing=weighing)

        with worker_pool(task.threads, task.cancellation) as pool:
            self._kept |= zip(wanted, pool.map(read, wanted), strict=True)
        return self._kept

    def release(self, pair: _Pair) -> None:
        for digest in {layer.digest for layer in pair.layers()}:
            self._uses[digest] -= 1
            if not self._uses[digest]:
                del self._kept[digest]


def _pairs(old: tuple[Sequence[Image], Read], new: tuple[Sequence[Image], Read]) -> tuple[list[_Pair], list[ImageName]]:
    before = _Counterparts(old[0])
    pairs = []
    for image in new[0]:
        counterpart = before.of(image)
        if counterpart is not None and counterpart.manifest == image.manifest:
            continue
        olds = {} if counterpart is None else _by_platform(counterpart, old[1])
        for platform, (digest, manifest) in _by_platform(image, new[1]).items():
            of, was = olds.get(platform, (None, None))
            if of != digest:
                name = None if counterpart is None else counterpart.name
                pairs.append(_Pair(image.name, platform, manifest, name if was is not None else None, was))
    there = {image.name.repository for image in new[0]}
    return pairs, [image.name for image in old[0] if image.name.repository not in there]


class _Counterparts:
    """The images that targets have, by what others are compared by."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._same: dict[tuple[str, Digest], Image] = {}
        self._named: dict[ImageName, Image] = {}
        self._last: dict[str, Image] = {}
        for image in images:
            self._same.setdefault((image.name.repository, image.manifest), image)
            self._named[image.name] = image
            self._last[image.name.repository] = image

    def of(self, image: Image) -> Image | None:
        """Return which image of its repository `image` is compared with: the same, or of its tag, or the last one."""
        repository = image.name.repository
        same = self._same.get((repository, image.manifest))
        return same or self._named.get(image.name) or self._last.get(repository)


def _by_platform(image: Image, read: Read) -> dict[str, tuple[Digest, Manifest]]:
    """Return the image manifests of `image` that have layers, as far as they are known, each with its digest."""

    def parsed(digest: Digest) -> Manifest | None:
        content = read(digest)
        try:
            return None if content is None else parse_manifest(content)
        except AirpatchError:
            return None

    found: dict[str, tuple[Digest, Manifest]] = {}
    platforms: dict[Digest, str] = {}
    numbers: Counter[str] = Counter()
    manifests = list(walk([image.manifest], parsed))
    for _, manifest in manifests:
        platforms |= {child.digest: child.platform for child in manifest.manifests}
    for digest, manifest in manifests:
        if len(manifest.blobs) > 1:
            platform = platforms.get(digest, "")
            while platform in found:  # such as attestations, which are for no platform
                numbers[platforms.get(digest, "")] += 1
                platform = f"{platforms.get(digest, '')} {numbers[platforms.get(digest, '')] + 1}"
            found[platform] = digest, manifest
    return found


def _compare(
    pair: _Pair, layers: Mapping[Digest, LayerFiles | None], changes: ReleaseChanges, limit: int
) -> ImageChange:
    order = [layer.digest for layer in pair.after.blobs[1:]]
    after = stacked(layers, order)
    before = None if pair.before is None else stacked(layers, [layer.digest for layer in pair.before.blobs[1:]])
    found = ImageChange(pair.name, pair.platform, pair.before_name)
    for digest in order:
        layer = layers[digest]
        if layer is not None and layer.weights:
            changes.weights[digest] = layer.weights
    if after is None:
        return found
    installed = packages_in(after.records, after.files)
    owners = owners_of(installed.packages)
    for digest in order:
        layer = layers[digest]
        if layer is not None and digest not in changes.owners:
            owned = ((path, owner_of(path, owners)) for path in layer.files)
            changes.owners[digest] = {path: (of.manager, of.name) for path, of in owned if of is not None}
            known = {} if before is None else before.files
            changes.new_files[digest] = frozenset(path for path in layer.files if path not in known)
    was = Installed() if before is None else packages_in(before.records, before.files)
    packages = _package_changes(was.packages, installed.packages, before or Stacked(), after)
    unread = tuple(sorted({*was.unread, *installed.unread}))
    for each in packages:
        told = changes.packages.get((each.manager, each.name))
        if told is None or told.before is None:
            changes.packages[each.manager, each.name] = each
    changed = tuple(each for each in packages if each.before != each.after)
    if pair.before is None:
        return ImageChange(
            pair.name, pair.platform, None, {"new": len(after.files), "changed": 0, "removed": 0}, (), changed, unread
        )
    if before is None:
        return found
    files = _file_changes(before, after)
    counts = Counter(each.change for each in files)
    return ImageChange(
        pair.name,
        pair.platform,
        pair.before_name,
        {change: counts[change] for change in ("new", "changed", "removed")},
        tuple(sorted(files, key=lambda each: (-max(each.before, each.after), each.path))[:limit]),
        changed,
        unread,
    )


def _file_changes(before: Stacked, after: Stacked) -> list[FileChange]:
    found = []
    for path, file in after.files.items():
        old = before.files.get(path)
        if old is None:
            found.append(FileChange(path, "new", 0, file.size))
        elif old != file:
            found.append(FileChange(path, "changed", old.size, file.size))
    gone = before.files.keys() - after.files.keys()
    return [*found, *(FileChange(path, "removed", before.files[path].size, 0) for path in gone)]


def _package_changes(
    was: Sequence[Package], installed: Sequence[Package], before: Stacked, after: Stacked
) -> list[PackageChange]:
    """Return all packages of both, by manager and name, with their versions and sizes."""
    old, new = _versions(was), _versions(installed)
    old_sizes, new_sizes = _sizes(before, owners_of(was)), _sizes(after, owners_of(installed))
    return [
        PackageChange(*key, old.get(key), new.get(key), old_sizes[key], new_sizes[key])
        for key in sorted(old.keys() | new.keys())
    ]


def _versions(packages: Iterable[Package]) -> dict[PackageKey, str]:
    """Return the version of each package; several, as npm has them, with commas between them."""
    versions: defaultdict[PackageKey, dict[str, None]] = defaultdict(dict)
    for each in packages:
        versions[each.manager, each.name][each.version] = None
    return {key: ", ".join(each) for key, each in versions.items()}


def _sizes(shown: Stacked, owners: Mapping[str, Package]) -> Counter[PackageKey]:
    sizes: Counter[PackageKey] = Counter()
    for path, file in shown.files.items():
        owner = owner_of(path, owners)
        if owner is not None:
            sizes[owner.manager, owner.name] += file.size
    return sizes
