"""Checks everything that lies on a root, whoever put it there, and lists all that is wrong. Reads only.

Findings are bytes without their digest: a blob, a link, a receipt or a signature that is not what its place says.
Obstacles are what could not be checked: a file that cannot be read, a symbolic link. All else is a remark: what the
current release has to have and lacks, since others may delete it; what registries take and airpatch does not know; what
deletions, garbage collections and caches leave behind; names that do not belong there; tags that were pushed since; an
apply that was interrupted. An apply or a push that goes on meanwhile can show up as either.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airpatch.execution import Execution
from airpatch.target.audit_blobs import AuditedBlobs
from airpatch.target.audit_releases import AuditedReleases
from airpatch.target.audit_report import AuditReport
from airpatch.target.audit_repositories import AuditedRepositories
from airpatch.target.root import Root


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
        ThreadPoolExecutor(execution.threads) as pool,
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
