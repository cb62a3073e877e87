"""What all commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from airpatch_cli.grammar.values import positive, raised_limit

TYPE_CHECKING = False  # as that of `typing`, which takes time to load
if TYPE_CHECKING:
    from airpatch_cli.parser import Parser

    Commands = argparse._SubParsersAction[Parser]
    """What a command is added to."""


class Command:
    """The part of the grammar that one command has. `name` is also its module's in `airpatch_cli.commands`."""

    def __init__(
        self,
        add_arguments: Callable[[argparse.ArgumentParser], None],
        help_: str,
        examples: tuple[str, ...],
        is_long: bool,
    ) -> None:
        self.name = add_arguments.__name__
        self._add_arguments = add_arguments
        self._help = help_
        self._examples = examples
        self._is_long = is_long

    def add_to(self, commands: Commands, group: str = "") -> None:
        """Add the command with its arguments; in a group, its name begins with that of the group."""
        name = self.name.removeprefix(f"{group}_")
        parser = commands.add_parser(
            name,
            help=self._help,
            description=self._help[0].upper() + self._help[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in self._examples),
        )
        _add_common_options(parser, self._is_long)
        self._add_arguments(parser)
        if group:
            parser.set_defaults(command=f"{group}-{name}")

    def list_in(self, commands: Commands) -> None:
        """Add what the help of all commands shows, which takes a tenth of the time."""
        commands.add_parser(self.name, help=self._help, add_help=False)


class Group:
    """Commands with the same first word, `name`. Where one of them runs, it is called `GROUP-COMMAND`."""

    def __init__(self, name: str, help_: str, members: tuple[Command, ...]) -> None:
        self.name = name
        self._help = help_
        self._members = members

    def add_to(self, commands: Commands) -> None:
        """Add the commands with their arguments."""
        parser = commands.add_parser(
            self.name,
            help=self._help,
            description=self._help[0].upper() + self._help[1:] + ".",
            epilog=f"Run 'airpatch help {self.name} COMMAND' for details of a command.",
        )
        within = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
        for member in self._members:
            member.add_to(within, self.name)

    def list_in(self, commands: Commands) -> None:
        """Add what the help of all commands shows."""
        commands.add_parser(self.name, help=self._help, add_help=False)


def command(
    help_: str, *examples: str, is_long: bool = True
) -> Callable[[Callable[[argparse.ArgumentParser], None]], Command]:
    """Declare a command; the decorated function, named like it, adds its arguments to a parser.

    `is_long` adds the options of long-running work.
    """
    return lambda add_arguments: Command(add_arguments, help_, examples, is_long)


def _add_common_options(parser: argparse.ArgumentParser, is_long: bool) -> None:
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
