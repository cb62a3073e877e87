"""Sites by their inventories: what each has, and the smallest chain of patches from there to the newest release. Pure.

A patch fits a site that has all of the release that it leads from, whatever else lies there, and whose airpatch has the
features that it asks for; an inventory without a version does not say which these are, and rules out no patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from airpatch.format.inventories import Inventory
from airpatch.layers.versions import known_features
from airpatch.model.digest import Digest
from airpatch.model.release import Release
from airpatch.product_line.planning import PlannedPair
from airpatch.product_line.smallest_chains import PatchChain, smallest_chains
from airpatch.store.release_store import StoredRelease
from airpatch.units import count


@dataclass(frozen=True, slots=True)
class Site:
    """A site, called after the file of its `inventory`."""

    name: str
    inventory: Inventory

    def has(self, release: Release) -> bool:
        """Return whether all blobs of `release` are there."""
        return all(self.inventory.blobs.get(blob.digest) == blob.size for blob in release.blobs)

    def lacks(self, features: frozenset[str]) -> list[str]:
        """Return those of `features` that its airpatch does not have, sorted."""
        return sorted(features.difference(self.inventory.features)) if self.inventory.version else []


@dataclass(frozen=True, slots=True)
class SiteWay:
    """What to send to a site for a `product`: it `has` that release of the store as its newest one, if any.

    `chain` leads from any release that the site has to the newest one that is planned, and is that alone where the site
    has it; None where no patch does, and `remark` says why. With a chain, `remark` says what is not known of it.
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
    best = _smallest([each for each in onward if not site.lacks(each.features)], held, goal)
    if best is not None:
        return SiteWay(site, product, has, best, _unknown(site, best))
    refused = _smallest(onward, held, goal)
    if refused is None:
        return SiteWay(site, product, has, None, f"has {has.release.name}, which is not older than {goal.release.name}")
    steps = set(pairwise(each.id for each in refused.releases))
    needed = frozenset[str]().union(
        *(each.features for each in onward if (each.pair.base.id, each.pair.target.id) in steps)
    )
    remark = (
        f"airpatch {site.inventory.version} there does not know {', '.join(site.lacks(needed))}, which the patches to "
        f"{goal.release.name} need: bring a newer one, or send what 'airpatch diff --base {site.name}' makes"
    )
    return SiteWay(site, product, has, None, remark)


def _smallest(pairs: Sequence[PlannedPair], held: set[Digest], goal: StoredRelease) -> PatchChain | None:
    chains = [each for each in smallest_chains(pairs) if each.releases[0].id in held and each.releases[-1] == goal]
    ordered = sorted(chains, key=lambda each: (each.bytes, len(each.releases), -each.releases[0].release.sequence))
    return ordered[0] if ordered else None


def _unknown(site: Site, chain: PatchChain) -> str:
    """Return what nobody knows of a chain before its layer patches are made: whether an older airpatch reads them."""
    if not chain.missing or not site.lacks(known_features()):
        return ""
    layers, version = count(chain.missing, "layer patch"), site.inventory.version
    return f"{layers} may need what airpatch {version} there does not know: plan again after 'airpatch work'"
