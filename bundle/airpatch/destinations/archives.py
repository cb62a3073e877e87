"""Restores images into one archive, written in one pass: an OCI archive, or a docker archive.

Nothing is staged, so that the archive can go through a pipe (`airpatch restore ... -o - | ctr images import -`). Every
blob is hashed as it passes; where one is wrong, a file never gets its name, and a stream ends before its end marker.
The same images give the same archive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from airpatch.blobs.content import Content, check_digest, pieces
from airpatch.blobs.output import DescriptorSink, destination
from airpatch.blobs.room import room_at
from airpatch.destinations.forms import File, FilePart, FolderPart, Wanted, oci_parts
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format import tar
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Image
from airpatch.progress import ProgressPart
from airpatch.sources.location import OCI_BLOBS
from airpatch.units import count

DOCKER_INDEX = "manifest.json"
_LAYER_TYPES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
"""What the media types of file system layers begin with."""
_LAYOUT_FOLDERS = (OCI_BLOBS, f"{OCI_BLOBS}/sha256")
_NO_PLATFORM = "unknown/unknown"
"""The platform of attestations in an index (BuildKit, `attestation-storage.md`)."""


@dataclass(slots=True)
class Archive:
    """The members of an archive in order, behind its `folders`; `remarks` say which images an archive of this form
    cannot hold.
    """

    folders: tuple[str, ...] = ()
    members: list[tuple[str, File]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of content that must be read: each blob once."""
        return sum(file.size for _, file in self.members if isinstance(file, Wanted))

    @property
    def tar_size(self) -> int:
        """Bytes of the archive."""
        members = (
            len(tar.header(path, size)) + size + len(tar.padding(size))
            for path, file in self.members
            for size in [file.size if isinstance(file, Wanted) else len(file)]
        )
        return sum(len(tar.folder_header(path)) for path in self.folders) + sum(members) + len(tar.END)


def oci_archive(images: Sequence[Image], manifests: Mapping[Digest, bytes]) -> Archive:
    """Return an OCI layout of `images`, as a tar archive.

    It has its folders: skopeo gives those that it must make itself to root, which ends in an error for any other user.
    """
    archive = Archive(_LAYOUT_FOLDERS)
    for part in oci_parts(images, manifests):
        if isinstance(part, FilePart):
            archive.members.append((part.path, part.file))
        else:
            archive.members += _folder_members(part)
    return archive


def _folder_members(part: FolderPart) -> Iterator[tuple[str, File]]:
    return ((f"{part.path}/{name}", file) for name, file in part.files.items())


def docker_archive(images: Iterable[Image], manifests: Mapping[Digest, bytes]) -> Archive:
    """Return what `docker load` takes. Layers stay compressed as they are.

    It holds container images of one platform each, by tag: what is attached to images, and detached signatures, are
    left out with a remark. Raises UsageError naming every image that cannot be in such an archive.
    """
    archive = Archive()
    findings = []
    entries: dict[Digest, tuple[Manifest, list[str]]] = {}
    for image in images:
        platforms = _platforms(image.manifest, manifests)
        if not all(map(_is_container_image, platforms.values())):
            if image.name.has_derived_tag and image.name.digest is None:
                archive.remarks.append(f"{image.name}: is attached to an image; a docker archive holds images alone")
            else:
                findings.append(f"{image.name}: is no container image")
        elif len(platforms) != 1:
            findings.append(f"{image.name}: has {count(len(platforms), 'platform')}")
        else:
            ((digest, manifest),) = platforms.items()
            tags = entries.setdefault(digest, (manifest, []))[1]
            if image.name.digest is None:
                tags.append(str(image.name))
            if image.signatures:
                archive.remarks.append(f"{image.name}: a docker archive holds no detached signatures")
    if findings:
        raise UsageError(
            "a docker archive holds images of one platform: use --as oci-archive, or choose others with --image",
            findings,
        )
    files: dict[str, File] = {}
    document = []
    for manifest, tags in entries.values():
        config, *layers = manifest.blobs
        files[f"{config.digest.hex}.json"] = Wanted(config.digest, config.size)
        files.update({f"{layer.digest.hex}.tar": Wanted(layer.digest, layer.size) for layer in layers})
        names = [f"{layer.digest.hex}.tar" for layer in layers]
        document.append({"Config": f"{config.digest.hex}.json", "RepoTags": tags or None, "Layers": names})
    archive.members = [*files.items(), (DOCKER_INDEX, json.dumps(document, separators=(",", ":")).encode())]
    return archive


def _platforms(top: Digest, manifests: Mapping[Digest, bytes]) -> dict[Digest, Manifest]:
    """Return the image manifests at and below `top`, without attestations."""
    found: dict[Digest, Manifest] = {}
    pending = [top]
    while pending:
        digest = pending.pop()
        manifest = parse_manifest(manifests[digest])
        if manifest.is_index:
            pending += [child.digest for child in manifest.manifests if child.platform != _NO_PLATFORM]
        else:
            found[digest] = manifest
    return found


def _is_container_image(manifest: Manifest) -> bool:
    return all(layer.media_type.startswith(_LAYER_TYPES) for layer in manifest.blobs[1:])


ARCHIVES: Mapping[str, Callable[[Sequence[Image], Mapping[Digest, bytes]], Archive]] = {
    "oci-archive": oci_archive,
    "docker-archive": docker_archive,
}
"""How an archive of each form is made."""


def write_archive(archive: Archive, content: Content, output: str, execution: Execution) -> int:
    """Write `archive` to the file `output`, `-` for standard output; return its bytes.

    Raises IntegrityError for wrong bytes, TargetError, what `content` raises, and UsageError if standard output is a
    terminal.
    """
    with destination(output) as sink, execution.part("restoring", archive.size) as part:
        if sink.is_file:
            room_at(sink.fd).require(sink.name, archive.tar_size)
        sink.write([tar.folder_header(path) for path in archive.folders])
        for path, file in archive.members:
            size = file.size if isinstance(file, Wanted) else len(file)
            sink.write([tar.header(path, size)])
            if isinstance(file, Wanted):
                _copy(file, content, sink, part)
            else:
                sink.write([file])
            sink.write([tar.padding(size)])
        sink.write([tar.END])
        return sink.size


def _copy(blob: Wanted, content: Content, sink: DescriptorSink, part: ProgressPart) -> None:
    hash_ = hashlib.sha256()
    with closing(content.open(blob.digest, blob.size)) as reader:
        for piece in pieces(reader, blob.size):
            hash_.update(piece)
            sink.write([piece])
            part.advance(len(piece), blob.digest)
    check_digest(hash_.digest(), blob.digest)
