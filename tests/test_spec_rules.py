"""Every MUST of the formats has a number and cases of the conformance suite (spec/suite/RULES.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from spec.suite.cases import all_cases

SPEC = Path(__file__).resolve().parent.parent / "spec"
DOCUMENTS = ("FORMAT.md", "DELTA.md", "DEFLATE.md", "VIEWS.md", "ENCODERS.md", "PARTS.md", "TARGET.md", "FILES.md")


def rules() -> list[list[str]]:
    """The number, document, rule and cases of each."""
    lines = (SPEC / "suite" / "RULES.md").read_text().splitlines()
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0].isdigit()]


def sentences(document: str) -> Iterator[str]:
    """The sentences, items and cells of a document that say MUST, but for those about the word."""
    text = (SPEC / document).read_text()
    for paragraph in re.split(r"\n\s*\n|\n(?=\||- |\d\. )", text):
        for sentence in re.split(r"(?<=[.;:]) (?=[A-Z*`])|(?<=\|) ", " ".join(paragraph.split())):
            if "MUST" in sentence and not re.search("RFC 2119|are those of|are used as in", sentence):
                yield sentence


def test_every_must_has_a_number() -> None:
    known = [(row[1], row[2].removesuffix(" …")) for row in rules()]
    for document in DOCUMENTS:
        for sentence in sentences(document):
            assert any(name == document and rule in sentence for name, rule in known), sentence
    for name, rule in known:
        assert rule in " ".join((SPEC / name).read_text().split()), rule


def test_numbers_go_up() -> None:
    assert [int(row[0]) for row in rules()] == list(range(1, len(rules()) + 1))


def test_every_number_has_cases_or_a_reason(tmp_path: Path) -> None:
    names = [case.name for case in all_cases(tmp_path)]
    for number, _, _, cases in rules():
        if cases.startswith("-: "):
            continue
        patterns = re.findall(r"`([^`]+)`", cases)
        assert patterns, number
        for pattern in patterns:
            path, _, test = pattern.partition("::")
            if test:
                assert f"def {test}(" in (SPEC.parent / path).read_text(), f"{number}: {pattern}"
            else:
                assert any(fnmatchcase(name, pattern) for name in names), f"{number}: {pattern}"
