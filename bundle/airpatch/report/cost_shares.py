"""Every byte of a patch, given to what it is for: a file in a layer, or what a layer or the patch itself needs. Pure.

A layer that travels whole is shared out among its files by what these take when they are compressed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from airpatch.layers.recipe import Frames, GzipMembers
from airpatch.model.digest import Digest
from airpatch.report.byte_shares import share_out
from airpatch.report.forecast import BlobCost, FileCost
from airpatch.report.packed_sizes import PackedSizes


class ShareKind(Enum):
    """What bytes are for."""

    FILE = "file"
    BETWEEN = "between files"
    DECISIONS = "decisions of the encoder"
    LAYOUT = "where members or frames are"
    VIEWS = "where nested content is"
    FRAME = "what frames the layer patch"
    WHOLE = "not shared out among files"


@dataclass(frozen=True, slots=True)
class CostShare:
    """`bytes` of the patch's file, for the file at `path` where that is not empty; `file` tells more of it."""

    kind: ShareKind
    path: str
    bytes: int
    file: FileCost | None = None


def cost_shares(
    costs: list[BlobCost], packed: PackedSizes, weights: Mapping[Digest, Mapping[str, int]]
) -> dict[Digest, list[CostShare]]:
    """Return the shares of each blob of `costs`, whose sum is what it takes in the file; `weights` are those of files
    in layers that travel whole.
    """
    found = {}
    for each in costs:
        kinds = list(_weighed(each, weights.get(each.digest, {})))
        sizes = share_out(packed.members.get(each.digest, 0), [weight for *_, weight in kinds])
        found[each.digest] = [
            CostShare(kind, path, size, file) for (kind, path, file, _), size in zip(kinds, sizes, strict=True) if size
        ]
    return found


def _weighed(each: BlobCost, weights: Mapping[str, int]) -> Iterator[tuple[ShareKind, str, FileCost | None, float]]:
    patch = each.patch
    if patch is None or not each.files:
        for path, weight in weights.items():
            yield ShareKind.FILE if path else ShareKind.BETWEEN, path, None, weight
        if not weights:
            yield ShareKind.WHOLE, "", None, 1
        return
    for file in each.files:
        yield ShareKind.FILE if file.path else ShareKind.BETWEEN, file.path, file, file.cost
    is_run_again = isinstance(patch.recipe.method, GzipMembers | Frames)
    yield ShareKind.LAYOUT if is_run_again else ShareKind.DECISIONS, "", None, patch.decisions
    yield ShareKind.VIEWS, "", None, patch.views
    rest = each.cost - sum(file.cost for file in each.files) - patch.decisions - patch.views
    yield ShareKind.FRAME, "", None, max(rest, 0)
