"""Every fault at every call of every scenario, and the table of what held, as docs/FAULTS.md has it.

    python -m tests.faults.sweep [kill|signal|error|close|power|all|places] [--every N] [--only WORDS] [--images DIR]

`places` makes no faults, and counts the calls before which they would be. Needs root and strace. Takes minutes; the
tests run a part of the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.faults import mounts, strace
from tests.faults.power import Power
from tests.faults.scenario import (
    KILLED,
    TARGET_ERROR,
    Lab,
    Scenario,
    image_bundles,
    scenarios,
    signed_bundles,
    small_bundles,
)

IMAGES = Path(__file__).resolve().parents[2] / "fixtures" / "images"


@dataclass(frozen=True)
class Fault:
    """`inject` in strace's words, at calls of `names` (all that change the disk if there are none)."""

    inject: str
    codes: tuple[int, ...]
    names: tuple[str, ...] = ()


KILL = [Fault("signal=SIGKILL", (KILLED,))]
SIGNAL = [
    Fault("signal=SIGTERM", (128 + 15, 0)),
    Fault("signal=SIGINT", (128 + 2, 0)),
]
ERROR = [
    Fault("error=EIO", (TARGET_ERROR, 0)),  # 0 where only the staging could not be cleared at the end
    Fault("error=ENOSPC", (TARGET_ERROR,), ("write", "openat", "mkdirat", "linkat", "syncfs")),
    Fault("error=ENOSPC", (TARGET_ERROR, 0), ("renameat",)),  # 0 as above: what is cleared is moved away first
    Fault("error=EDQUOT", (TARGET_ERROR,), ("write", "openat", "mkdirat", "linkat", "syncfs")),
    Fault("error=EDQUOT", (TARGET_ERROR, 0), ("renameat",)),  # 0 as above: what is cleared is moved away first
    Fault("error=EFBIG", (TARGET_ERROR,), ("write",)),
    Fault("error=EROFS", (TARGET_ERROR, 0), ("openat", "mkdirat", "linkat", "renameat", "unlinkat")),
    Fault("error=EINTR", (0, TARGET_ERROR), ("write", "openat", "syncfs")),
]
CLOSE = [Fault("error=EIO", (TARGET_ERROR, 0), ("close",))]
KINDS = {"kill": KILL, "signal": SIGNAL, "error": ERROR, "close": CLOSE}


def trials(lab: Lab, scenario: Scenario, faults: Sequence[Fault]) -> Iterator[tuple[Fault, strace.Point]]:
    """All places of all faults."""
    changing = lab.points(scenario)
    for fault in faults:
        if fault.names == ("close",):
            lab.copy(scenario.start, lab.root)
            calls = strace.record(lab.zygote, lab.argv(scenario), lab.folder, fault.names)
            main = [call for call in calls if call.main]
            yield from ((fault, strace.Point(call.name, call.number, True)) for call in main)
        else:
            yield from ((fault, point) for point in changing if not fault.names or point.name in fault.names)


def sweep(lab: Lab, scenario: Scenario, faults: Sequence[Fault], every: int = 1) -> tuple[int, list[str]]:
    """Run each `every`-th trial; returns how many, and what was wrong."""
    problems: list[str] = []
    chosen = list(trials(lab, scenario, faults))[every // 2 :: every]
    for fault, point in chosen:
        problems += lab.trial(scenario, point, fault.inject, fault.codes)
    return len(chosen), problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=(*KINDS, "power", "all", "places"))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="run each N-th trial (default: all)")
    parser.add_argument("--only", default="", metavar="WORDS", help="scenarios with all these words in their name")
    parser.add_argument("--images", type=Path, default=IMAGES, metavar="DIR", help="folder with the trees r1 and r2")
    args = parser.parse_args()
    mounts.enter_namespace()
    failed = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = stack.enter_context(mounts.tmpfs(Path(name) / "work", "size=2g"))
        lab = Lab(folder)
        stack.callback(lab.close)
        small = small_bundles(folder)
        found = scenarios(lab, small, "small")
        signed, signers = signed_bundles(lab, small)
        found += scenarios(lab, signed, "signed", signers)
        found += scenarios(lab, image_bundles(lab, args.images), "image")
        print("| fault | scenario | trials | wrong |\n|---|---|---:|---:|", flush=True)
        for scenario in found:
            if not set(args.only.split()) <= set(scenario.name.split()):
                continue
            for kind in (*KINDS, "power") if args.kind == "all" else (args.kind,):
                problems: list[str] = []
                if kind == "places":
                    count = len(lab.points(scenario))
                elif kind == "power":
                    count, problems = Power(lab, scenario).sweep(args.every)
                else:
                    count, problems = sweep(lab, scenario, KINDS[kind], args.every)
                failed += len(problems)
                print(f"| {kind} | {scenario.name} | {count} | {len(problems)} |", flush=True)
                for problem in problems:
                    print(f"    {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
