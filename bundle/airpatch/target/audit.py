"""Checks everything that lies on a root, whoever put it there, and lists all that is wrong. Reads only.

Findings are bytes without their digest: a blob, a link, a receipt or a signature that is not what its place says.
Obstacles are what could not be checked: a file that cannot be read, a symbolic link. All else is a remark: what the
current release has to have and lacks, since others may delete it; what registries take and airpatch does not know; what
deletions, garbage collections and caches leave behind; names that do not belong there; tags that were pushed since; an
apply that was interrupted. An apply or a push that goes on meanwhile can show up as either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from airpatch import limits
from airpatch.errors import AirpatchError, FormatError, TargetError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.format.registry import Stage
from airpatch.model.digest import Digest
from airpatch.model.lacking import SCREEN, lacking_by_image
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Release, check_manifests
from airpatch.model.walk import complete
from airpatch.progress import ProgressPart
from airpatch.target import image_signatures
from airpatch.target.check import hash_file, read_manifest
from airpatch.target.publish import wanting
from airpatch.target.root import Root
from airpatch.target.root_trust import history_remarks
from airpatch.target.state import JOURNAL, RELEASES, Receipt, by_age, history, parse_receipt
from airpatch.target.storage import MANIFEST_LIMIT
from airpatch.units import count, megabytes

_HASHING_AT_ONCE = 16
_LINK = len("sha256:") + 64
"""Bytes of a link file."""


@dataclass(frozen=True, slots=True)
class VerifiedRoot:
    """What was checked, and what was found (see above). `bytes` counts the blobs."""

    blobs: int
    bytes: int
    repositories: int
    tags: int
    releases: int
    findings: tuple[str, ...]
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]
    incomplete: tuple[str, ...] = ()
    """The current releases that lack blobs or links."""


def audit_root(root: Root, execution: Execution) -> VerifiedRoot:
    """Check everything on `root`."""
    check = _Check(root)
    check.list_blobs()
    with (
        execution.part(f"verifying {root.path}", sum(check.sizes.values())) as part,
        ThreadPoolExecutor(execution.threads) as pool,
    ):
        check.hash_blobs(pool, part)
    check.check_repositories()
    check.check_state()
    return VerifiedRoot(
        len(check.sizes),
        sum(check.sizes.values()),
        check.repositories,
        check.tags,
        check.releases,
        tuple(check.findings),
        tuple(check.obstacles),
        tuple(check.notes),
        tuple(check.incomplete),
    )


class _Check:
    """The state of one run. `sizes` has the blobs that are there, `wrong` those of them with other content."""

    def __init__(self, root: Root) -> None:
        self.findings: list[str] = []
        self.obstacles: list[str] = []
        self.notes: list[str] = []
        self.incomplete: list[str] = []
        self.sizes: dict[Digest, int] = {}
        self.wrong: set[Digest] = set()
        self.repositories = self.tags = self.releases = 0
        self._root = root
        self._manifests: dict[Digest, Manifest | None] = {}
        self._unknown: set[Digest] = set()

    # Blobs

    def list_blobs(self) -> None:
        for algorithm in self._folders(registry.BLOBS, ("sha256",)):
            for prefix in self._folders(f"{registry.BLOBS}/{algorithm}"):
                folder = f"{registry.BLOBS}/{algorithm}/{prefix}"
                for name in self._folders(folder):
                    self._list_blob(f"{folder}/{name}")

    def _list_blob(self, folder: str) -> None:
        path = f"{folder}/data"
        match = registry.BLOB_PATH.fullmatch(path)
        if match is None:
            self._odd(folder)
            return
        self._names(folder, ("data",))
        with self._noting():
            size = self._root.size(path)
            if size is None:
                self._remark(path, "is missing; a garbage collection may have left its folder")
            else:
                self.sizes[Digest.from_hex(match[2])] = size

    def hash_blobs(self, pool: Executor, part: ProgressPart) -> None:
        under_way: deque[tuple[Digest, Future[bytes]]] = deque()

        def hash_one(digest: Digest, fd: int, path: str) -> bytes:
            with part.share(self.sizes[digest], digest) as share:
                return hash_file(fd, str(self._root.path / path), share.advance)

        for digest in self.sizes:
            path = registry.blob_path(digest)
            try:
                fd = self._root.open(path)
            except FileNotFoundError:
                self._remark(path, "was removed meanwhile")
                part.advance(self.sizes[digest], digest)
                continue
            except AirpatchError as error:
                self.obstacles.append(str(error))
                part.advance(self.sizes[digest], digest)
                continue
            under_way.append((digest, pool.submit(hash_one, digest, fd, path)))
            if len(under_way) >= _HASHING_AT_ONCE:
                self._finish_blob(*under_way.popleft())
        while under_way:
            self._finish_blob(*under_way.popleft())

    def _finish_blob(self, digest: Digest, future: Future[bytes]) -> None:
        with self._noting():
            actual = future.result()
            if actual != digest.raw:
                self.wrong.add(digest)
                self._find(registry.blob_path(digest), f"content has the digest sha256:{actual.hex()}")

    # Repositories

    def check_repositories(self) -> None:
        pending = [""]
        while pending:
            repository = pending.pop()
            path = registry.repository_path(repository).rstrip("/")
            parts = []
            for name in self._folders(path):
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
                self._odd(f"{path}/{name}")
        self._names(f"{path}/_manifests", ("revisions", "tags"))
        layers = self._links(f"{path}/_layers")
        revisions = self._links(f"{path}/_manifests/revisions")
        needed = {digest for revision in revisions for digest in self._check_revision(path, revision, revisions)}
        for digest in sorted(needed - layers):
            self._remark(path, f"{digest} has no layer link, which a revision needs")
        if unknown := len(self._unknown & revisions):
            self._remark(
                path, f"{count(unknown, 'manifest')} of types that airpatch does not know; prune keeps what they name"
            )
        stale = sum(digest not in self.sizes for digest in layers - needed)
        for tag in self._folders(f"{path}/_manifests/tags"):
            stale += self._check_tag(repository, f"{path}/_manifests/tags/{tag}", tag, revisions)
        if stale:
            self.notes.append(
                f"{self._root.path / path}: {count(stale, 'link')} to content that was deleted, which is harmless"
            )

    def _check_revision(self, path: str, digest: Digest, revisions: Collection[Digest]) -> Iterator[Digest]:
        """Check what a revision refers to, and give the layers and configs that its repository must link."""
        manifest = self._manifest(digest)
        children = [child.digest for child in manifest.manifests] if manifest else []
        if absent := [child for child in children if child not in revisions]:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            self._remark(
                path,
                f"{len(absent)} of {len(children)} manifests of the index {digest} are not here, as in a pull-through "
                f"cache: {absent[0]}{more}",
            )
        for blob in manifest.blobs if manifest else ():
            size = self.sizes.get(blob.digest)
            if blob.foreign and size is None:
                continue
            yield blob.digest
            if size != blob.size:
                there = "is missing" if size is None else f"has {size} bytes"
                self._remark(path, f"manifest {digest} needs {blob.digest} of {blob.size} bytes, which {there}")

    def _check_tag(self, repository: str, path: str, tag: str, revisions: Collection[Digest]) -> int:
        """Check a tag; return how many entries of its index lead to manifests that were deleted."""
        self.tags += 1
        self._check_name(path, repository, tag)
        self._names(path, ("current", "index"))
        self._names(f"{path}/current", ("link",))
        known = self._links(f"{path}/index")
        with self._noting():
            content = self._root.read(f"{path}/current/link", _LINK)
            try:
                digest = Digest.parse(content.decode("ascii", "replace") if content is not None else None)
            except FormatError as error:
                if content is None:
                    self._remark(f"{path}/current/link", "is missing")
                else:
                    self._find(f"{path}/current/link", error.message)
            else:
                if digest not in revisions:
                    self._remark(path, f"leads to {digest}, which is no revision of the repository")
                if digest not in known:
                    self._remark(path, f"leads to {digest}, which its index does not have")
        return len(known.difference(revisions))

    def _links(self, folder: str) -> set[Digest]:
        """Return the digests of the folders in `folder`, whose links are checked; what a deletion emptied is
        left out.
        """
        found = set()
        emptied = 0
        for algorithm in self._folders(folder, ("sha256",)):
            for name in self._folders(f"{folder}/{algorithm}"):
                path = f"{folder}/{algorithm}/{name}"
                try:
                    digest = Digest.from_hex(name)
                except FormatError:
                    self._odd(path)
                    continue
                self._names(path, ("link",))
                with self._noting():
                    if self._root.size(f"{path}/link") is None:
                        emptied += 1
                        continue
                    found.add(digest)
                    self._check_link(f"{path}/link", digest)
        if emptied:
            self._remark(
                folder, f"{count(emptied, 'folder')} without a link, as a deletion through the registry leaves them"
            )
        return found

    def _check_link(self, path: str, digest: Digest) -> None:
        size = self._root.size(path)
        content = self._root.read(path, _LINK) if size == _LINK else None
        if content != str(digest).encode():
            holds = f"{content!r:.100}" if content is not None else f"{size} bytes"
            self._find(path, f"holds {holds} instead of its digest")

    def _manifest(self, digest: Digest) -> Manifest | None:
        """Return the manifest of a revision; None if there is none of a type that airpatch knows."""
        if digest not in self._manifests:
            self._manifests[digest] = None
            path = registry.blob_path(digest)
            with self._noting():
                content = self._root.read(path, MANIFEST_LIMIT)
                if content is None:
                    self._remark(path, "is missing, and is a revision")
                elif digest not in self.wrong:
                    try:
                        self._manifests[digest] = parse_manifest(content)
                    except FormatError:
                        self._unknown.add(digest)
        return self._manifests[digest]

    # Receipts

    def check_state(self) -> None:
        now: dict[str, Digest] = {}
        with self._noting():
            found = history(self._root)
            now = found.current()
            self.notes += history_remarks(self._root, found)
        installed: list[Receipt] = []
        for name in self._names(RELEASES):
            path = f"{RELEASES}/{name}"
            with self._noting(f"{self._root.path / path}: "):
                receipt = parse_receipt(self._root.read(path, limits.INDEX.value) or b"")
                if receipt.id.hex != name:
                    self._find(path, "is not the receipt of the release that it is named after")
                    continue
                self.releases += 1
                installed.append(receipt)
                self._check_release(receipt.release, is_current=receipt.id in now.values())
        names = self._names(RELEASES)
        for product, id_ in now.items():
            if id_.hex not in names:
                self._remark(f"{RELEASES}/{id_.hex}", f"is missing, the receipt of the current release of {product}")
        if self._root.size(JOURNAL) is not None:
            self.notes.append("an apply was interrupted or is at work; run it again to bring it to its end")
        elif now or len(installed) == 1:
            self._check_signatures(by_age(self._root, installed) if now else installed)

    def _check_release(self, release: Release, *, is_current: bool) -> None:
        for signature in image_signatures.signatures_of(release):
            path = image_signatures.kept_path(signature)
            with self._noting():
                if problem := image_signatures.problem_of(self._root, path, signature):
                    self._judge_signature(path, problem)
        missing = {blob.digest: blob.size for blob in release.blobs if blob.digest not in self.sizes}
        if missing and is_current:
            lines = lacking_by_image(release.images, self._manifests_of(release), missing)
            what = f"{count(len(missing), 'blob')} of {megabytes(sum(missing.values()))}"
            self._lack(release, what, lines)
        elif missing:
            self.notes.append(f"release {release.name} cannot be returned to: {len(missing)} of its blobs are gone")
        elif is_current and not any(blob.digest in self.wrong for blob in release.blobs):
            with self._noting(f"release {release.name}: "):
                self._check_links(release)

    def _check_signatures(self, installed: Sequence[Receipt]) -> None:
        """Check what is restored as signatures: those of the release that was published last, of `installed` the first.

        Those of manifests that only older releases have may be gone: a prune that was interrupted has taken them.
        """
        seen: set[str] = set()
        for number, receipt in enumerate(installed):
            for folder, own in image_signatures.folders_of(
                receipt.release, self._manifests_of(receipt.release)
            ).items():
                with self._noting():
                    if folder not in seen and (number == 0 or self._root.names(folder)):
                        for path, problem in image_signatures.differences(self._root, folder, own):
                            self._judge_signature(path, problem)
                seen.add(folder)

    def _judge_signature(self, path: str, problem: str) -> None:
        (self._find if problem.startswith("content") else self._remark)(path, problem)

    def _lack(self, release: Release, what: str, lines: Sequence[str]) -> None:
        """The current `release` is not whole."""
        self.incomplete.append(release.name)
        self.notes.append(
            f"release {release.name}, which is current, lacks {what}; apply its bundle again: {'; '.join(lines)}"
        )

    def _manifests_of(self, release: Release) -> dict[Digest, Manifest]:
        """Return the manifests of `release` that are right, with all below them."""

        def read(digest: Digest) -> Manifest | None:
            return self._manifest(digest) if digest in self.sizes and digest not in self.wrong else None

        return complete((blob.digest for blob in release.blobs if blob.is_manifest), read)

    def _check_links(self, release: Release) -> None:
        contents = {b.digest: read_manifest(self._root, b.digest) for b in release.blobs if b.is_manifest}
        check_manifests(release, contents)
        links = registry.links(release, {digest: parse_manifest(content) for digest, content in contents.items()})
        wanted = wanting(self._root, links)
        lost = [link.path for link in wanted if link.stage < Stage.TAG_INDEX]
        if lost:
            places = sorted({path.partition("/_")[0].removeprefix(f"{registry.REPOSITORIES}/") for path in lost})
            more = [f"and {len(places) - SCREEN} more"] if len(places) > SCREEN else []
            self._lack(release, f"{count(len(lost), 'link')} of layers and manifests", [*places[:SCREEN], *more])
        if moved := sum(link.stage is Stage.TAG for link in wanted):
            self.notes.append(f"release {release.name}: {moved} of its tags were moved or deleted since")

    # Findings

    def _names(self, folder: str, allowed: Collection[str] | None = None) -> list[str]:
        """Return the names in `folder`; those that are not `allowed`, if that is given, are remarks and left out."""
        with self._noting():
            names = self._root.names(folder)
            if allowed is None:
                return names
            for name in names:
                if name not in allowed:
                    self._odd(f"{folder}/{name}")
            return [name for name in names if name in allowed]
        return []

    def _folders(self, folder: str, allowed: Collection[str] | None = None) -> list[str]:
        """Return those of `_names` that are folders; files are remarks, and whatever else may be there is an
        obstacle.
        """
        folders = []
        for name in self._names(folder, allowed):
            path = f"{folder}/{name}"
            with self._noting():
                if self._root.is_folder(path):
                    folders.append(name)
                elif self._root.size(path) is not None:
                    self._odd(path)
        return folders

    def _check_name(self, path: str, repository: str, tag: str) -> None:
        try:
            ImageName(repository, tag)
        except FormatError as error:
            self._remark(path, error.message)

    def _find(self, path: str, what: str) -> None:
        self.findings.append(f"{self._root.path / path}: {what}")

    def _remark(self, path: str, what: str) -> None:
        self.notes.append(f"{self._root.path / path}: {what}")

    def _odd(self, path: str) -> None:
        self._remark(path, "does not belong there")

    @contextmanager
    def _noting(self, where: str = "") -> Iterator[None]:
        """Note an error; `where` goes in front of messages that do not say it themselves."""
        try:
            yield
        except AirpatchError as error:
            text = f"{error.message}{''.join(f'; {finding}' for finding in error.findings)}"
            noted = self.obstacles if isinstance(error, TargetError) else self.findings
            noted.append(text if text.startswith(str(self._root.path)) else f"{where}{text}")
