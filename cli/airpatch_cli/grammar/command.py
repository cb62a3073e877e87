"""What all commands share."""

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
    """Return a command with its common options; `is_long` adds those for long-running work."""
    epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=epilog,
    )
    common = parser.add_argument_group("common options")
    common.add_argument("--json", action="store_true", help="print one JSON document, also for errors")
    if is_long:
        common.add_argument("--jobs", type=positive, metavar="N", help="number of threads (default: one per processor)")
        common.add_argument(
            "--progress",
            choices=("auto", "bar", "plain", "off"),
            default="auto",
            help="how to show progress on stderr (default: auto)",
        )
    common.add_argument(
        "--limit",
        dest="limits",
        type=raised_limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="raise a limit on what untrusted files may cost, such as index=64MiB (spec/FORMAT.md, Limits)",
    )
    common.add_argument("-q", "--quiet", action="store_true", help="print only errors")
    common.add_argument(
        "-v", "--verbose", action="count", default=0, help="log each decision and its reason; -vv logs more"
    )
    return parser


def add_group(commands: Commands, name: str, help_: str) -> Commands:
    """Return what commands `airpatch NAME COMMAND` are added to. Where one of them runs, it is `NAME-COMMAND`."""
    parser = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
    return parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
