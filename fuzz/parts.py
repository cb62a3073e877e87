"""Lose, swap, cut and flip parts of split files at random, and join them.

No result may be wrong; what parity can recover must be recovered, and every other part that is missing or damaged must
be named. Usage: python -m fuzz.parts [--trials N] [--seed N]. A finding is an AssertionError with the seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.parts.support import run_trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; each has its own")
    args = parser.parse_args()
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for seed in range(args.seed, args.seed + args.trials):
            outcomes[run_trial(seed, Path(place))] += 1
    print(f"{args.trials} trials: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))


if __name__ == "__main__":
    main()
