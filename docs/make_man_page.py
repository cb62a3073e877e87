"""Makes docs/man/airpatch.1 from the parser of the command line: `python docs/make_man_page.py`.

The page carries the version instead of a date, and no line of it is wrapped by the width of a terminal, so that the
same parser always makes the same page. `man -l docs/man/airpatch.1` shows it.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

from argparse_manpage.manpage import Manpage

from airpatch_cli.grammar.command_line import EXIT_CODES, build_parser

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "man" / "airpatch.1"
_NEVER_WRAPPED = "100000"
"""Columns; argparse wraps usage lines, and not as it did in other versions of Python."""
_SEE_ALSO = r"\fBskopeo\fR(1), \fBssh-keygen\fR(1)"


def man_page() -> str:
    """The manual page, in the macros of man(7)."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    with mock.patch.dict(os.environ, {"COLUMNS": _NEVER_WRAPPED, "SOURCE_DATE_EPOCH": "0"}):
        parser = build_parser()
        examples = [*_examples(parser)]
        _leave_out_what_stands_elsewhere(parser)
        page = Manpage(parser, format="single-commands-section")
        page.date = ""
        page.source = f"{project['name']} {project['version']}"
        page.manual = "airpatch manual"
        page.description = project["description"][0].lower() + project["description"][1:]
        page.add_section("EXIT STATUS", "=", _preformatted(EXIT_CODES.splitlines()[1:]))
        page.add_section("EXAMPLES", "=", _preformatted(examples))
        page.add_section("SEE ALSO", "=", _SEE_ALSO)
        return str(page)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Groups of commands, and the commands in them, too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from _commands(command)


def _examples(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Those of all commands."""
    for command in _commands(parser):
        yield from (command.epilog or "").splitlines()[1:]


def _leave_out_what_stands_elsewhere(parser: argparse.ArgumentParser) -> None:
    """The parts of the epilog get sections of their own; what a command does stands in front of its usage."""
    parser.epilog = None
    for command in _commands(parser):
        command.description = None


def _preformatted(lines: Iterable[str]) -> str:
    escaped = (line.strip().replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq") for line in lines)
    return "\n".join([".EX", *(rf"\&{line}" for line in escaped), ".EE"])


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(man_page())
