"""Damages connections to a registry until COUNT faults were survived: pulls, pushes, and pushes of patches upon it.

    python -m fuzz.registry [COUNT [SEED]]

Each round has a registry of its own (docker-registry), and a proxy in front of it that cuts connections, answers 429
and 5xx, changes bytes and digests, sends slowly and redirects to a blob store. What was pulled and pushed is then
compared with what it should be. COUNT is 1000 by default.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import airpatch
from airpatch.registry_api.access import PullOptions
from airpatch.sources.gather import gather
from tests.registry_api.fault_proxy import fault_proxy
from tests.registry_api.registries import PLAIN, registry
from tests.registry_api.sample import make_tree
from tests.sources.sample_sources import pack

_BUDGET = 150
"""Faults of a round."""
_PATIENT = replace(PLAIN, attempts=_BUDGET + 1)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)  # noqa: S311 - no secret
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        trees = [make_tree(work / release, release) for release in ("r1", "r2")]
        full, patch = work / "full", work / "patch"
        airpatch.create(trees[0], full)
        airpatch.diff(full, trees[1], patch)
        like = gather([str(trees[1])])
        expected = pack(like)
        while seen.total() < count:
            with registry(work / f"root-{seed}", work) as host, fault_proxy(host, seed=seed, budget=_BUDGET) as proxy:
                airpatch.push(full, f"docker://{proxy.address}", access=_PATIENT)
                airpatch.push(patch, f"docker://{proxy.address}", access=_PATIENT)
                names = [f"docker://{proxy.address}/{image.name}" for image in like.release.images]
                if pack(gather(names, pull=PullOptions(_PATIENT))) != expected:
                    sys.exit(f"seed {seed}: something else came back")
                if any("Authorization" in headers for headers in proxy.store_headers):
                    sys.exit(f"seed {seed}: credentials went to the blob store")
                seen += proxy.seen
            print(f"seed {seed}: {seen.total()} faults survived", flush=True)
            seed += 1
    print(", ".join(f"{kind} {number}" for kind, number in sorted(seen.items())))


if __name__ == "__main__":
    main()
