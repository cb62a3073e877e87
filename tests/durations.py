"""Which tests are not fast: those that take most of the time of all that are neither slow nor faults.

    ./check.sh -m "not slow and not faults" --junitxml=REPORT
    python -m tests.durations REPORT

writes tests/medium.txt: test functions, the most expensive ones, until the others take a seventh of the time. Tests
that are listed there get the mark `medium`, all others `fast`, so that `./check.sh -m fast` takes a minute on two
processors.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

LIST = Path(__file__).with_name("medium.txt")
_LEFT = 0.15
"""Of the time of all, what fast tests take."""


def medium() -> frozenset[str]:
    """Return the functions that are listed, such as `tests/cli/test_json.py::test_schema`."""
    return frozenset(LIST.read_text().split())


def function(node: str) -> str:
    """Return the function of a test, or of one of its parametrized cases, by pytest's node id."""
    return node.partition("[")[0]


def expensive(report: Path) -> Iterable[str]:
    """Yield the functions that take most of the time in a report in JUnit's format."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for case in ElementTree.parse(report).iter("testcase"):
        module, name = case.get("classname", "").replace(".", "/"), case.get("name", "")
        seconds[function(f"{module}.py::{name}")] += float(case.get("time", "0"))
    left = sum(seconds.values())
    enough = left * _LEFT
    for name, taken in sorted(seconds.items(), key=lambda item: item[1], reverse=True):
        if left <= enough:
            return
        left -= taken
        yield name


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    LIST.write_text("".join(f"{name}\n" for name in sorted(expensive(Path(sys.argv[1])))))
