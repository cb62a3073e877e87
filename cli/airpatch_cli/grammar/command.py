"""What all commands have in common."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from airpatch_cli.grammar.values import positive, raised_limit
from airpatch_cli.parser import Parser

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What `add_command` adds to."""


def add_command(
    commands: Commands, name: str, help_: str, *examples: str, is_long: bool = True
) -> argparse.ArgumentParser:
    """Return a command with its common options; those for work that takes long only where it can."""
    epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=epilog,
    )
    common = parser.add_argument_group("common options")
    common.add_argument("--json", action="store_true", help="print one JSON document, for errors too")
    if is_long:
        common.add_argument("--jobs", type=positive, metavar="N", help="threads (default: one for each processor)")
        common.add_argument(
            "--progress", choices=("auto", "bar", "plain", "off"), default="auto", help="on stderr (default: auto)"
        )
    common.add_argument(
        "--limit",
        dest="limits",
        type=raised_limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="raise a limit to what files from elsewhere may cost, such as index=64MiB (spec/FORMAT.md, Limits)",
    )
    common.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    common.add_argument("-v", "--verbose", action="count", default=0, help="say what was decided, and why; twice: more")
    return parser
