"""The releases of a root: receipts, what the current ones have to have, and the signatures of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from airpatch import limits
from airpatch.errors import AirpatchError
from airpatch.format import registry
from airpatch.format.layout import RELEASES
from airpatch.format.receipts import Receipt, parse_receipt
from airpatch.format.registry import Link, Stage
from airpatch.model.digest import Digest
from airpatch.model.lacking import SCREEN, lacking_by_image
from airpatch.model.manifest import parse_manifest
from airpatch.model.release import Release, check_manifests
from airpatch.target import image_signatures
from airpatch.target.audit_blobs import AuditedBlobs
from airpatch.target.audit_report import AuditReport
from airpatch.target.check import read_manifest
from airpatch.target.publish import links_to_write
from airpatch.target.root_trust import history_remarks
from airpatch.target.state import JOURNAL, by_age, history
from airpatch.units import are, count, megabytes


class AuditedReleases:
    """How many `releases` there are, the current ones that are `incomplete`, and the check of them.

    `blobs` have been hashed.
    """

    def __init__(self, report: AuditReport, blobs: AuditedBlobs) -> None:
        self.releases = 0
        self.incomplete: list[str] = []
        self._report = report
        self._root = report.root
        self._blobs = blobs

    def check(self) -> None:
        """Check history, receipts and signatures."""
        now: dict[str, Digest] = {}
        with self._report.noting():
            found = history(self._root)
            now = found.current()
            self._report.notes += history_remarks(self._root, found)
        installed: list[Receipt] = []
        size = 0
        for name in self._report.names(RELEASES):
            path = f"{RELEASES}/{name}"
            with self._report.noting(f"{self._root.path / path}: "):
                size += min(self._root.size(path) or 0, limits.INDEX.value)
                if size > limits.RECEIPTS.value:
                    self._report.find(RELEASES, f"has receipts of more than {limits.RECEIPTS} bytes in all")
                    break
                receipt = parse_receipt(self._root.read(path, limits.INDEX.value) or b"")
                if receipt.id.hex != name:
                    self._report.find(path, "is not the receipt of the release that it is named after")
                    continue
                self.releases += 1
                installed.append(receipt)
                self._check_release(receipt.release, is_current=receipt.id in now.values())
        names = self._report.names(RELEASES)
        for product, id_ in now.items():
            if id_.hex not in names:
                self._report.remark(
                    f"{RELEASES}/{id_.hex}", f"is missing, the receipt of the current release of {product}"
                )
        if self._root.size(JOURNAL) is not None:
            self._report.notes.append(
                "an apply was interrupted or is still running; if it was interrupted, run it again"
            )
        elif now or len(installed) == 1:
            self._check_signatures(by_age(self._root, installed) if now else installed)

    def _check_release(self, release: Release, *, is_current: bool) -> None:
        for signature in image_signatures.signatures_of(release):
            path = image_signatures.kept_path(signature)
            with self._report.noting():
                if problem := image_signatures.problem_of(self._root, path, signature):
                    self._judge_signature(path, problem)
        missing = {blob.digest: blob.size for blob in release.blobs if blob.digest not in self._blobs.sizes}
        if missing and is_current:
            promised = self._promised(release, missing)
            self._lack_blobs(release, promised, " that tags and links lead to", self._report.findings)
            others = {digest: size for digest, size in missing.items() if digest not in promised}
            self._lack_blobs(release, others, "", self._report.notes)
        elif missing:
            self._report.notes.append(
                f"release {release.name} cannot be rolled back to: {len(missing)} of its blobs {are(len(missing))} gone"
            )
        elif is_current and not any(blob.digest in self._blobs.wrong for blob in release.blobs):
            with self._report.noting(f"release {release.name}: "):
                self._check_links(release)

    def _check_signatures(self, installed: Sequence[Receipt]) -> None:
        """Check what is restored as signatures: those of the release that was published last, of `installed` the first.

        Those of manifests that only older releases have may be gone: a prune that was interrupted has taken them.
        """
        seen: set[str] = set()
        for number, receipt in enumerate(installed):
            for folder, own in image_signatures.folders_of(
                receipt.release, self._blobs.manifests_of(receipt.release)
            ).items():
                with self._report.noting():
                    if folder not in seen and (number == 0 or self._root.names(folder)):
                        for path, problem in image_signatures.differences(self._root, folder, own):
                            self._judge_signature(path, problem)
                seen.add(folder)

    def _judge_signature(self, path: str, problem: str) -> None:
        (self._report.find if problem.startswith("content") else self._report.remark)(path, problem)

    def _promised(self, release: Release, missing: Mapping[Digest, int]) -> dict[Digest, int]:
        """Return those of the blobs `missing`, with their sizes, to which a tag of `release` leads by links that are
        all in place.

        No deletion through a registry leaves that, and no garbage collection: whoever pulls the tag gets an error.
        """
        manifests = self._blobs.manifests_of(release)
        found: set[Digest] = set()
        for image in release.images:
            repository = image.name.repository
            pending = [image.manifest] if self._has(registry.tag_link(image.name, image.manifest)) else []
            while pending:
                digest = pending.pop()
                if not self._has(registry.revision_link(repository, digest)):
                    continue
                found.add(digest)
                if (manifest := manifests.get(digest)) is not None:
                    pending += [child.digest for child in manifest.manifests]
                    blobs = {blob.digest for blob in manifest.blobs if blob.digest in missing}
                    found |= {blob for blob in blobs if self._has(registry.layer_link(repository, blob))}
        return {digest: size for digest, size in missing.items() if digest in found and self._is_absent(digest)}

    def _has(self, link: Link) -> bool:
        with suppress(AirpatchError):
            return not links_to_write(self._root, [link])
        return False

    def _is_absent(self, digest: Digest) -> bool:
        """Return whether nothing is in the place of the blob, not even what cannot be read."""
        with suppress(AirpatchError):
            return self._root.size(registry.blob_path(digest)) is None
        return False

    def _lack_blobs(self, release: Release, sizes: Mapping[Digest, int], of_which: str, noted: list[str]) -> None:
        if sizes:
            lines = lacking_by_image(release.images, self._blobs.manifests_of(release), sizes)
            what = f"{count(len(sizes), 'blob')} of {megabytes(sum(sizes.values()))}{of_which}"
            self._lack(release, what, lines, noted)

    def _lack(self, release: Release, what: str, lines: Sequence[str], noted: list[str]) -> None:
        """Report that the current `release` is incomplete, among the findings or notes in `noted`."""
        if release.name not in self.incomplete:
            self.incomplete.append(release.name)
        noted.append(
            f"release {release.name}, which is current, lacks {what}; apply its bundle again: {'; '.join(lines)}"
        )

    def _check_links(self, release: Release) -> None:
        contents = {b.digest: read_manifest(self._root, b.digest) for b in release.blobs if b.is_manifest}
        check_manifests(release, contents)
        links = registry.links(release, {digest: parse_manifest(content) for digest, content in contents.items()})
        wanted = links_to_write(self._root, links)
        lost = [link.path for link in wanted if link.stage < Stage.TAG_INDEX]
        if lost:
            places = sorted({path.partition("/_")[0].removeprefix(f"{registry.REPOSITORIES}/") for path in lost})
            more = [f"and {len(places) - SCREEN} more"] if len(places) > SCREEN else []
            what = f"{count(len(lost), 'link')} of layers and manifests"
            self._lack(release, what, [*places[:SCREEN], *more], self._report.notes)
        if moved := sum(link.stage is Stage.TAG for link in wanted):
            self._report.notes.append(f"release {release.name}: {count(moved, 'tag')} moved or deleted since")
