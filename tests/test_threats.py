"""spec/THREATS.md names for each threat a test, which is there and bears the threat's number."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ROW = re.compile(r"\| (\d+) \| (.+) \| (.+) \| `(tests/[\w/]+\.py)::(test_adversary_((?:\d+_)+)\w+)` \|")
LINES = [line for line in (TOP / "spec" / "THREATS.md").read_text().splitlines() if line.startswith("| ")]
ROWS = [match for line in LINES if (match := ROW.fullmatch(line))]


@cache
def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_number_is_there_once_in_order() -> None:
    assert [int(row[1]) for row in ROWS] == list(range(1, 64))
    assert len(ROWS) == len([line for line in LINES if not line.startswith("| number")])


def test_the_test_of_each_is_there_and_bears_its_number() -> None:
    for row in ROWS:
        assert row[5] in functions(TOP / row[4]), row[0]
        assert row[1] in row[6].split("_"), row[0]


def test_no_test_bears_a_number_that_no_threat_has() -> None:
    numbers = {row[1] for row in ROWS}
    for path in (TOP / "tests").rglob("test_*.py"):
        for name in functions(path):
            if match := re.match(r"test_adversary_((?:\d+_)+)", name):
                assert set(match[1].strip("_").split("_")) <= numbers, f"{path}: {name}"


def test_vectors_bear_numbers_of_threats() -> None:
    numbers = {row[1] for row in ROWS}
    for path in (TOP / "fixtures" / "vectors").glob("*.vector"):
        head = path.read_bytes().partition(b"\n\n")[0].decode()
        assert set(re.findall(r"^adversary: (\d+)$", head, re.MULTILINE)) <= numbers, path
