"""README.zh-CN.md says in Chinese what README.md says: the same headings, commands, links and exit codes."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENGLISH = (PROJECT / "README.md").read_text()
CHINESE = (PROJECT / "README.zh-CN.md").read_text()


def headings(text: str) -> list[str]:
    """The levels of all headings, in their order."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(#+) ", prose, re.MULTILINE)


def commands(text: str) -> list[str]:
    """The fenced blocks, with the comments in them."""
    return re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def points(text: str) -> list[int]:
    """How many points the lists under each heading have."""
    return [len(re.findall(r"^- ", section, re.MULTILINE)) for section in re.split(r"^#+ ", text, flags=re.MULTILINE)]


def sizes(text: str) -> set[str]:
    """The sizes and shares that are told."""
    return set(re.findall(r"\d[\d.]* (?:[kMG]B|%)", text))


def options(text: str) -> set[str]:
    """What stands in backquotes and begins as an option does."""
    return set(re.findall(r"`(--[\w-]+)", text))


def test_headings_match() -> None:
    assert headings(CHINESE) == headings(ENGLISH)
    chinese = [line for line in CHINESE.splitlines() if re.match(r"## .*", line)]
    assert all(re.search("[\u4e00-\u9fff]", line) for line in chinese)


def test_commands_match() -> None:
    assert commands(CHINESE) == commands(ENGLISH)


def test_lists_have_the_same_points() -> None:
    assert points(CHINESE) == points(ENGLISH)


def test_figures_are_those_of_the_english_text() -> None:
    assert sizes(CHINESE)
    assert sizes(CHINESE) <= sizes(ENGLISH)


def test_options_that_are_told_of_match() -> None:
    figures = ENGLISH.index("## Figures")
    assert options(CHINESE) <= options(ENGLISH)
    assert options(ENGLISH[:figures]) <= options(CHINESE)


def test_exit_codes_match() -> None:
    rows = r"^\| (\d) \| (`\w+`)?"
    assert re.findall(rows, CHINESE, re.MULTILINE) == re.findall(rows, ENGLISH, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", CHINESE):
        assert (PROJECT / target).exists(), target
