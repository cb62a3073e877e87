"""The parser of the whole command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airpatch.errors import UsageError
from airpatch_cli.grammar import (
    carrying,
    keeping_releases,
    making_bundles,
    making_lines,
    reading,
    using_registries,
    using_roots,
)
from airpatch_cli.grammar.command import Command, Group, command
from airpatch_cli.parser import Parser

TYPE_CHECKING = False  # as that of `typing`, which takes time to load
if TYPE_CHECKING:
    from typing import NoReturn

_DESCRIPTION = """\
Pack the container images of a release into one file, make small patches between releases, and
apply them on hosts without a network, with every digest exactly as it was."""

EXIT_CODES = """\
exit codes:
  0 done                            5 the target lacks blobs that the patch needs
  1 internal error                  6 not trusted, or older than what is installed
  2 wrong arguments                 7 an input image is unusable
  3 not a valid bundle              8 the target cannot be written
  4 content without its digest"""


class _Version(argparse.Action):
    """Looks up the version only on request: the distribution's metadata is slow to load."""

    def __init__(self, option_strings: list[str], dest: str, **_: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"airpatch {version('airpatch')}")
        except PackageNotFoundError:
            print("airpatch, run from its source and not installed")
        parser.exit()


def help_words(words: Sequence[str]) -> Sequence[str]:
    """Return the command line that `words` mean: `airpatch help COMMAND`, bare `airpatch` and a bare group of commands
    ask for help.

    Raises UsageError for help about more than one command.
    """
    groups = [one.name for one in _COMMANDS if isinstance(one, Group)]
    if not words or (len(words) == 1 and words[0] in groups):
        return [*words, "--help"]
    if words == ["help", "help"]:
        return ["--help"]
    longest = 3 if words[1:] and words[1] in groups else 2
    if words[0] == "help" and len(words) > longest:
        raise UsageError("help takes one command at most: write 'airpatch help COMMAND'")
    return [*words[1:], "--help"] if words[0] == "help" else words


def build_parser(first_word: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, or only as much of it as a command line that begins with `first_word` needs.

    That is one command, or, for any other word, the names of all. It raises UsageError instead of exiting.
    """
    parser = Parser(
        prog="airpatch",
        description=_DESCRIPTION,
        epilog=f"Run 'airpatch help COMMAND' for details of a command.\n\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    asked = [one for one in _COMMANDS if first_word in (None, one.name)]
    for one in asked:
        one.add_to(commands)
    for one in _COMMANDS if not asked else ():
        one.list_in(commands)
    return parser


@command(
    "print a script that completes airpatch's command line in a shell",
    'eval "$(airpatch completion bash)"    # in ~/.bashrc',
    'airpatch completion zsh > "${fpath[1]}/_airpatch"',
    "airpatch completion fish > ~/.config/fish/completions/airpatch.fish",
    is_long=False,
)
def completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=("bash", "fish", "tcsh", "zsh"), metavar="SHELL", help="bash, fish, tcsh or zsh"
    )


_COMMANDS: tuple[Command | Group, ...] = (
    making_bundles.create,
    making_bundles.diff,
    making_bundles.explain,
    using_roots.apply,
    making_bundles.merge,
    using_roots.inventory,
    using_roots.rollback,
    using_roots.prune,
    reading.inspect,
    reading.history,
    reading.verify,
    reading.restore,
    using_registries.push,
    using_registries.serve,
    using_registries.send,
    making_bundles.sign,
    using_roots.trust,
    carrying.split,
    carrying.join,
    carrying.topup,
    keeping_releases.STORE,
    making_lines.plan,
    making_lines.work,
    making_lines.collect,
    carrying.doctor,
    completion,
)
"""In the order in which the help lists them."""
