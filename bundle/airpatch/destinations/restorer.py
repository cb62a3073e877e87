"""Restores images: everything is fetched and verified beside its place, then each complete image moves into place.

Nothing below the destination changes before all content is there and right, so a failed or interrupted restore
leaves old images as they were. Blobs are read once, however many images share them, several at a time; memory
is bounded by the number of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from airpatch.blobs.content import Content
from airpatch.blobs.output import DescriptorSink
from airpatch.blobs.room import Rooms
from airpatch.blobs.tree import Tree
from airpatch.destinations.destination import Destination, leftovers, obstacles
from airpatch.destinations.forms import FilePart, FolderPart, Part, Wanted, dir_parts, oci_parts, oci_paths
from airpatch.destinations.transfer import LinkMode, Transfer
from airpatch.errors import AirpatchError, IntegrityError, SourceError, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.linux import is_folder
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.sources.location import OCI_INDEX
from airpatch.worker_pool import worker_pool

_LOG = logger(__name__)
MAX_JOBS = 4
"""More blobs at a time do not make a disk faster, and each takes up to 16 MiB when it comes out of a bundle."""
_NAMED = 3
"""Images that a finding about a blob names."""


class Form(Enum):
    """What images are restored as."""

    DIR = "dir"
    OCI = "oci"


def restore_images(
    images: Sequence[Image],
    manifests: Mapping[Digest, bytes],
    content: Content,
    out: Path,
    execution: Execution,
    *,
    form: Form = Form.DIR,
    link: LinkMode = LinkMode.COPY,
    exact: bool = False,
) -> list[str]:
    """Restore `images`, whose manifests are in `manifests` and whose blobs and signatures are in `content`, to `out`.

    Returns the folders of other images that lie there: a later `create` of `out` would pack them. With `exact` they are
    removed, once the images have their places. Progress counts the bytes of content that are verified, `content_size`
    in all. Raises IntegrityError with all
    findings if bytes are wrong, TargetError, what `content` raises, and UsageError if there are no files to link to.
    Old images at the destination are then as they were.
    """
    with Destination(out) as destination:
        parts = _parts(images, manifests, form, destination.tree)
        files = [part.path for part in parts if isinstance(part, FilePart)]
        folders = [part.path for part in parts if isinstance(part, FolderPart)]
        _require_free(out, destination.tree, files, folders)
        others = leftovers(destination.tree, folders) if form is Form.DIR else []
        needs = _make(parts, destination)
        _LOG.info(
            "restoring as %s, by %s: images: %d, blobs to fetch: %d", form.value, link.value, len(images), len(needs)
        )
        if link is LinkMode.COPY:
            _require_room(needs, destination)
        task = execution.task()
        with task.part("restoring images", sum(wanted.size for wanted in needs), lambda: _owners(needs)) as fetching:
            _fetch(needs, Transfer(content, destination, link, fetching), task)
        destination.sync()
        for number, part in enumerate(parts):
            _place(part, str(number), destination)
        for number, path in enumerate(others if exact else ()):
            _LOG.info("folder %s: removed, since it holds another image", path)
            destination.remove_folder(f"{number}-gone", path)
        destination.sync()
        return others


def require_place(
    images: Sequence[Image], manifests: Mapping[Digest, Manifest], out: Path, form: Form, link: LinkMode, rooms: Rooms
) -> None:
    """Look whether `images` can be restored to `out`, which need not be there yet. Changes nothing.

    Raises TargetError if something is in the way, or there is no room for their blobs beside what `rooms` knows
    of.
    """
    if link is LinkMode.COPY:
        rooms.require(out, "the images", *_takes(images, manifests, form))
    if is_folder(out):
        with closing(Tree(out)) as tree:
            if form is Form.DIR:
                _require_free(out, tree, (), [image.name.reference for image in images])
            else:
                _require_free(out, tree, *oci_paths(images, manifests))
                _other_entries(tree)


def _require_free(out: Path, tree: Tree, files: Iterable[str], folders: Iterable[str]) -> None:
    if found := list(obstacles(tree, files, folders)):
        raise TargetError(f"{out}: something is in the way", found)


def _takes(images: Sequence[Image], manifests: Mapping[Digest, Manifest], form: Form) -> tuple[int, int]:
    """Return how many bytes the layers and configs of `images` take, and how many files and folders there will be: a
    layout has each blob once, else each image.
    """
    size = files = 0
    folders = [[image.manifest] for image in images] if form is Form.DIR else [[image.manifest for image in images]]
    for roots in folders:
        found = dict(walk(roots, manifests.__getitem__))
        blobs = {blob.digest: blob.size for each in found.values() for blob in each.blobs}
        size += sum(blobs.values())
        files += 2 + len(found) + len(blobs)  # the folder, and the file that says of which version it is
    return size, files


def _require_room(needs: Mapping[Wanted, _Need], destination: Destination) -> None:
    size = sum(wanted.size * len(need.paths) for wanted, need in needs.items())
    files = sum(len(need.paths) for need in needs.values())
    destination.room().require(str(destination.path), size, files)


def content_size(images: Iterable[Image], manifests: Mapping[Digest, bytes]) -> int:
    """Return how many bytes of content `restore` reads for `images`: each blob and signature once."""
    wanted = {file for part in dir_parts(images, manifests) for file in part.files.values() if isinstance(file, Wanted)}
    return sum(file.size for file in wanted)


@dataclass(slots=True)
class _Need:
    """The files that want a blob, and the images that they belong to."""

    paths: list[str]
    images: dict[ImageName, None]

    def __str__(self) -> str:
        names = [str(name) for name in self.images]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


def _parts(images: Sequence[Image], manifests: Mapping[Digest, bytes], form: Form, tree: Tree) -> Sequence[Part]:
    if form is Form.DIR:
        return dir_parts(images, manifests)
    return oci_parts(images, manifests, _other_entries(tree))


def _other_entries(tree: Tree) -> Sequence[Mapping[str, object]]:
    """Return the entries of the index of the layout in `tree`, if there is one. Raises TargetError."""
    from airpatch.sources.oci_layouts import read_index  # few restore a layout

    try:
        return read_index(tree, OCI_INDEX) if tree.status(OCI_INDEX) is not None else []
    except SourceError as error:
        raise TargetError(error.message) from None


def _make(parts: Iterable[Part], destination: Destination) -> dict[Wanted, _Need]:
    """Make all parts, with the files whose content is known; return what the others need."""
    needs: dict[Wanted, _Need] = {}
    for number, part in enumerate(parts):
        if isinstance(part, FolderPart) and part.files:
            destination.make_folder(str(number))
        for path, file in _files(str(number), part):
            if isinstance(file, Wanted):
                need = needs.setdefault(file, _Need([], {}))
                need.paths.append(path)
                need.images.update(dict.fromkeys(part.images))
            else:
                with destination.create(path) as fd:
                    DescriptorSink(fd, path).write([file])
    return needs


def _files(name: str, part: Part) -> Iterator[tuple[str, bytes | Wanted]]:
    if isinstance(part, FilePart):
        yield name, part.file
    else:
        yield from ((f"{name}/{file_name}", file) for file_name, file in part.files.items())


def _owners(needs: Mapping[Wanted, _Need]) -> dict[Digest, ImageName]:
    return {wanted.digest: name for wanted, need in needs.items() for name in list(need.images)[:1]}


def _fetch(needs: Mapping[Wanted, _Need], transfer: Transfer, task: Execution) -> None:
    """Fetch everything, the largest first. Bad content is collected, any other error ends it at once."""
    errors: list[AirpatchError] = []
    findings: list[str] = []
    with worker_pool(min(task.threads, MAX_JOBS), task.cancellation) as pool:
        ordered = sorted(needs.items(), key=lambda item: (-item[0].size, item[0].digest))
        running: dict[Future[None], _Need] = {
            pool.submit(transfer.fetch, blob, need.paths): need for blob, need in ordered
        }
        for future in as_completed(running):
            try:
                future.result()
            except (TargetError, UsageError):
                raise
            except AirpatchError as error:
                errors.append(error)
                findings.append(f"{running[future]}: {error.message}")
    if errors:
        worst = next((error for error in errors if isinstance(error, IntegrityError)), errors[0])
        raise type(worst)("content of the images is missing or wrong; nothing was restored", sorted(findings))


def _place(part: Part, name: str, destination: Destination) -> None:
    _LOG.debug("%s: takes its place", part.path)
    if isinstance(part, FilePart):
        destination.place_file(name, part.path)
    elif part.files:
        destination.place_folder(name, part.path)
    else:
        destination.remove_folder(name, part.path)
