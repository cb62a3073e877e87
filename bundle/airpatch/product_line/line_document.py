"""A plan as `--json` has it and the page shows it (spec/json.schema.json, `plan`). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from airpatch.product_line.planning import Planned, PlannedPair
from airpatch.product_line.sites import SiteWay
from airpatch.product_line.smallest_chains import PatchChain


def line_document(planned: Planned, chains: Sequence[PatchChain], ways: Sequence[SiteWay]) -> dict[str, object]:
    """Return what `planned` says, the smallest `chains` of its patches, and the `ways` of sites, in JSON's types."""
    releases = {each.id: each.release for of in planned.pairs for each in (of.pair.base, of.pair.target)}
    ordered = sorted(releases.items(), key=lambda each: (each[1].product, each[1].sequence, each[1].name, each[0]))
    return {
        "effort": planned.plan.settings.effort.name.lower(),
        "memory_bytes": planned.plan.settings.memory,
        "tasks": len(planned.plan.tasks),
        "missing": planned.plan.questions,
        "known": planned.known,
        "work_bytes": planned.plan.work,
        "seconds": planned.seconds,
        "releases": [
            {"product": release.product, "name": release.name, "id": str(id_), "sequence": release.sequence}
            for id_, release in ordered
        ],
        "pairs": [_pair(each) for each in planned.pairs],
        "chains": [_chain(each) for each in chains],
        "sites": [
            {
                "inventory": each.site.name,
                "product": each.product,
                "has": None if each.has is None else each.has.release.name,
                "has_id": None if each.has is None else str(each.has.id),
                "chain": None if each.chain is None else _chain(each.chain),
                "remark": each.remark or None,
            }
            for each in ways
        ],
    }


def _pair(each: PlannedPair) -> dict[str, object]:
    return {
        "product": each.pair.target.release.product,
        "from": each.pair.base.release.name,
        "from_id": str(each.pair.base.id),
        "to": each.pair.target.release.name,
        "to_id": str(each.pair.target.id),
        "layers": each.layers,
        "missing": each.missing,
        "bytes": each.bytes,
        "whole_bytes": each.whole,
    }


def _chain(each: PatchChain) -> dict[str, object]:
    return {
        "product": each.releases[-1].release.product,
        "releases": [of.release.name for of in each.releases],
        "ids": [str(of.id) for of in each.releases],
        "bytes": each.bytes,
        "missing": each.missing,
    }
