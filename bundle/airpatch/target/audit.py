"""Checks everything on a root, whoever put it there, and lists everything that is wrong. Reads only.

Findings are bytes without their digest: a blob, a link, a receipt or a signature that is not what its place says; and
blobs of the current release that are not there, though its tags and all links lead to them.
Obstacles are what could not be checked: an unreadable file, a symbolic link. Everything else is a remark: what the
current release needs but lacks, since others may delete it; what registries accept but airpatch does not know; what
deletions, garbage collections and caches leave behind; names that do not belong there; tags that were pushed since; an
interrupted apply. A concurrent apply or push can show up as any of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.execution import Execution
from airpatch.target.audit_blobs import AuditedBlobs
from airpatch.target.audit_releases import AuditedReleases
from airpatch.target.audit_report import AuditReport
from airpatch.target.audit_repositories import AuditedRepositories
from airpatch.target.root import Root
from airpatch.worker_pool import worker_pool


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
    report = AuditReport(root)
    blobs = AuditedBlobs(report)
    blobs.list_blobs()
    size = sum(blobs.sizes.values())
    with (
        execution.part(f"verifying {root.path}", size) as part,
        worker_pool(execution.threads) as pool,
    ):
        blobs.hash_blobs(pool, part)
    repositories = AuditedRepositories(report, blobs)
    repositories.check()
    releases = AuditedReleases(report, blobs)
    releases.check()
    return VerifiedRoot(
        len(blobs.sizes),
        size,
        repositories.repositories,
        repositories.tags,
        releases.releases,
        tuple(report.findings),
        tuple(report.obstacles),
        tuple(report.notes),
        tuple(releases.incomplete),
    )
