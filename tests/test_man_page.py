"""The manual page is the one that the parser makes, and has all of it."""

from __future__ import annotations

import argparse
import os
import runpy
import tomllib
from collections.abc import Iterator

import pytest

from tests.cli.support import PROJECT, commands, words_of

PAGE = PROJECT / "docs" / "man" / "airpatch.1"


def made() -> str:
    return str(runpy.run_path(str(PROJECT / "docs" / "make_man_page.py"))["man_page"]())


def options() -> Iterator[tuple[str, str]]:
    """The options of all commands but --help, with their commands."""
    for name, parser in commands().items():
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                yield from ((name, option) for option in action.option_strings)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == made(), "run docs/make_man_page.py"


def test_the_page_depends_on_neither_the_time_nor_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = set()
    for epoch, columns in (("0", "40"), ("1700000000", "80"), ("1900000000", "300")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        monkeypatch.setenv("COLUMNS", columns)
        pages.add(made())
        assert (os.environ["SOURCE_DATE_EPOCH"], os.environ["COLUMNS"]) == (epoch, columns)
    assert len(pages) == 1


def test_the_page_has_every_option_and_example() -> None:
    sections = {part.split("\\fR")[0]: part for part in PAGE.read_text().split(r".SS \fBairpatch ")}
    assert {" ".join(words_of(name)) for name in commands()} <= set(sections)
    found = list(options())
    assert len(found) > 100
    for name, option in found:
        escaped = option.replace("-", r"\-")
        assert rf"\fB{escaped}\fR" in sections[" ".join(words_of(name))], (name, option)
    examples = PAGE.read_text().partition(".SH EXAMPLES")[2]
    for name, parser in commands().items():
        assert (parser.epilog or "").startswith("examples:\n")
        assert rf"airpatch {' '.join(words_of(name))}" in examples


def test_the_wheel_installs_the_page() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["data-files"] == {"share/man/man1": [str(PAGE.relative_to(PROJECT))]}
