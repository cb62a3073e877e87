"""The repositories of a root: every link holds its digest, and revisions and tags have what they lead to."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from airpatch.errors import FormatError
from airpatch.format import registry
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.target.audit_blobs import AuditedBlobs
from airpatch.target.audit_report import AuditReport
from airpatch.units import are, count

_LINK = len("sha256:") + 64
"""Bytes of a link file."""


class AuditedRepositories:
    """How many `repositories` and `tags` there are, and the check of them; `blobs` have been hashed."""

    def __init__(self, report: AuditReport, blobs: AuditedBlobs) -> None:
        self.repositories = self.tags = 0
        self._report = report
        self._root = report.root
        self._blobs = blobs

    def check(self) -> None:
        """Check all repositories."""
        pending = [""]
        while pending:
            repository = pending.pop()
            path = registry.repository_path(repository).rstrip("/")
            parts = []
            for name in self._report.folders(path):
                if name.startswith("_"):
                    parts.append(name)
                else:
                    pending.append(f"{repository}/{name}".lstrip("/"))
            if parts:
                self._check_repository(repository, path, parts)

    def _check_repository(self, repository: str, path: str, parts: Collection[str]) -> None:
        self.repositories += 1
        self._check_name(path, repository, "latest")
        for name in parts:
            if name not in ("_layers", "_manifests", "_uploads"):
                self._report.misplaced(f"{path}/{name}")
        self._report.names(f"{path}/_manifests", ("revisions", "tags"))
        layers = self._links(f"{path}/_layers")
        revisions = self._links(f"{path}/_manifests/revisions")
        needed = {digest for revision in revisions for digest in self._check_revision(path, revision, revisions)}
        for digest in sorted(needed - layers):
            self._report.remark(path, f"{digest} has no layer link, which a revision needs")
        if unknown := len(self._blobs.unknown & revisions):
            self._report.remark(
                path,
                f"{count(unknown, 'manifest')} of a type that airpatch does not know; prune keeps what is named there",
            )
        stale = sum(digest not in self._blobs.sizes for digest in layers - needed)
        for tag in self._report.folders(f"{path}/_manifests/tags"):
            stale += self._check_tag(repository, f"{path}/_manifests/tags/{tag}", tag, revisions)
        if stale:
            self._report.remark(path, f"{count(stale, 'link')} to deleted content, which is harmless")

    def _check_revision(self, path: str, digest: Digest, revisions: Collection[Digest]) -> Iterator[Digest]:
        """Check what a revision refers to, and give the layers and configs that its repository must link."""
        manifest = self._blobs.manifest(digest)
        children = [child.digest for child in manifest.manifests] if manifest else []
        if absent := [child for child in children if child not in revisions]:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            self._report.remark(
                path,
                f"{len(absent)} of {count(len(children), 'manifest')} of {digest} {are(len(absent))} not here, as "
                f"in a pull-through cache: {absent[0]}{more}",
            )
        for blob in manifest.blobs if manifest else ():
            size = self._blobs.sizes.get(blob.digest)
            if blob.foreign and size is None:
                continue
            yield blob.digest
            if size != blob.size:
                there = "is missing" if size is None else f"has {size} bytes"
                self._report.remark(path, f"manifest {digest} needs {blob.digest} of {blob.size} bytes, which {there}")

    def _check_tag(self, repository: str, path: str, tag: str, revisions: Collection[Digest]) -> int:
        """Check a tag; return how many entries of its index lead to manifests that were deleted."""
        self.tags += 1
        self._check_name(path, repository, tag)
        self._report.names(path, ("current", "index"))
        self._report.names(f"{path}/current", ("link",))
        known = self._links(f"{path}/index")
        with self._report.noting():
            content = self._root.read(f"{path}/current/link", _LINK)
            try:
                digest = Digest.parse(content.decode("ascii", "replace") if content is not None else None)
            except FormatError as error:
                if content is None:
                    self._report.remark(f"{path}/current/link", "is missing")
                else:
                    self._report.find(f"{path}/current/link", error.message)
            else:
                if digest not in revisions:
                    self._report.remark(path, f"leads to {digest}, which is not a revision of the repository")
                if digest not in known:
                    self._report.remark(path, f"leads to {digest}, which is missing from the tag's index")
        return len(known.difference(revisions))

    def _links(self, folder: str) -> set[Digest]:
        """Return the digests of the folders in `folder`, whose links are checked; what a deletion emptied is
        left out.
        """
        found = set()
        emptied = 0
        for algorithm in self._report.folders(folder, ("sha256",)):
            for name in self._report.folders(f"{folder}/{algorithm}"):
                path = f"{folder}/{algorithm}/{name}"
                try:
                    digest = Digest.from_hex(name)
                except FormatError:
                    self._report.misplaced(path)
                    continue
                self._report.names(path, ("link",))
                with self._report.noting():
                    if self._root.size(f"{path}/link") is None:
                        emptied += 1
                        continue
                    found.add(digest)
                    self._check_link(f"{path}/link", digest)
        if emptied:
            self._report.remark(
                folder, f"{count(emptied, 'folder')} without a link, as a deletion through the registry leaves"
            )
        return found

    def _check_link(self, path: str, digest: Digest) -> None:
        size = self._root.size(path)
        content = self._root.read(path, _LINK) if size == _LINK else None
        if content != str(digest).encode():
            holds = f"{content!r:.100}" if content is not None else f"{size} bytes"
            self._report.find(path, f"holds {holds} instead of its digest")

    def _check_name(self, path: str, repository: str, tag: str) -> None:
        try:
            ImageName(repository, tag)
        except FormatError as error:
            self._report.remark(path, error.message)
