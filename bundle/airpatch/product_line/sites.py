"""Sites by their inventories: what each has, and the smallest chain of patches from there to the newest release. Pure.

A patch fits a site that has all of the release that it leads from, whatever else lies there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airpatch.format.inventories import Inventory
from airpatch.model.release import Release
from airpatch.product_line.planning import PlannedPair
from airpatch.product_line.smallest_chains import PatchChain, smallest_chains
from airpatch.store.release_store import StoredRelease


@dataclass(frozen=True, slots=True)
class Site:
    """A site, called after the file of its `inventory`."""

    name: str
    inventory: Inventory

    def has(self, release: Release) -> bool:
        """Return whether all blobs of `release` are there."""
        return all(self.inventory.blobs.get(blob.digest) == blob.size for blob in release.blobs)


@dataclass(frozen=True, slots=True)
class SiteWay:
    """What to send to a site for a `product`: it `has` that release of the store as its newest one, if any.

    `chain` leads from any release that the site has to the newest one that is planned, and is that alone where the site
    has it; None where no patch does, and `remark` says why.
    """

    site: Site
    product: str
    has: StoredRelease | None
    chain: PatchChain | None
    remark: str = ""


def newest_releases(site: Site, found: Sequence[StoredRelease]) -> dict[str, StoredRelease]:
    """Return of each product the release of `found`, in the order of their numbers, that `site` has and is newest."""
    return {each.release.product: each for each in found if site.has(each.release)}


def site_ways(
    sites: Sequence[Site],
    found: Sequence[StoredRelease],
    targets: Sequence[StoredRelease],
    pairs: Sequence[PlannedPair],
) -> list[SiteWay]:
    """Return what to send to each of `sites` for each product of `targets` of which it has a release in the store, that
    is in `found`, where they are in the order of their numbers; for a site that has none, what to do.
    """
    goals = {each.release.product: each for each in sorted(targets, key=lambda each: (each.release.sequence, each.id))}
    return [way for site in sites for way in _ways(site, found, goals, pairs)]


def _ways(
    site: Site, found: Sequence[StoredRelease], goals: dict[str, StoredRelease], pairs: Sequence[PlannedPair]
) -> Iterator[SiteWay]:
    newest = newest_releases(site, found)
    known = [product for product in goals if product in newest]
    for product in known:
        yield _way(site, found, newest[product], goals[product], pairs)
    if not known:
        remark = (
            f"has no release of {', '.join(sorted(goals))} that is in the store: send a full bundle, or a patch that "
            f"'airpatch diff --base {site.name}' makes"
        )
        yield SiteWay(site, site.inventory.product, None, None, remark)


def _way(
    site: Site, found: Sequence[StoredRelease], has: StoredRelease, goal: StoredRelease, pairs: Sequence[PlannedPair]
) -> SiteWay:
    product, held = has.release.product, {each.id for each in found if site.has(each.release)}
    if goal.id in held:
        return SiteWay(site, product, has, PatchChain((goal,), 0, 0))
    # A host refuses what is older than what it has, on the way, too.
    onward = [each for each in pairs if each.pair.target.release.sequence >= has.release.sequence]
    chains = [each for each in smallest_chains(onward) if each.releases[0].id in held and each.releases[-1] == goal]
    if not chains:
        return SiteWay(site, product, has, None, f"has {has.release.name}, which is not older than {goal.release.name}")
    best = min(chains, key=lambda each: (each.bytes, len(each.releases), -each.releases[0].release.sequence))
    return SiteWay(site, product, has, best)
