"""The parser of the whole command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from airpatch.errors import UsageError
from airpatch_cli.grammar import carrying, keeping_releases, making_bundles, reading, using_registries, using_roots
from airpatch_cli.grammar.command import Commands, add_command
from airpatch_cli.parser import Parser

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
    if not words or (len(words) == 1 and words[0] in _GROUPS):
        return [*words, "--help"]
    longest = 3 if words[1:] and words[1] in _GROUPS else 2
    if words[0] == "help" and len(words) > longest:
        raise UsageError("help takes one command at most: write 'airpatch help COMMAND'")
    return [*words[1:], "--help"] if words[0] == "help" else words


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, or of `command` alone if there is one of that name, which takes less time.

    It raises UsageError instead of exiting.
    """
    parser = Parser(
        prog="airpatch",
        description=_DESCRIPTION,
        epilog=f"Run 'airpatch help COMMAND' for details of a command.\n\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for add in [_COMMANDS[command]] if command in _COMMANDS else _COMMANDS.values():
        add(commands)
    return parser


def _completion(commands: Commands) -> None:
    parser = add_command(
        commands,
        "completion",
        "print a script that completes airpatch's command line in a shell",
        'eval "$(airpatch completion bash)"    # in ~/.bashrc',
        'airpatch completion zsh > "${fpath[1]}/_airpatch"',
        "airpatch completion fish > ~/.config/fish/completions/airpatch.fish",
        is_long=False,
    )
    parser.add_argument(
        "shell", choices=("bash", "fish", "tcsh", "zsh"), metavar="SHELL", help="bash, fish, tcsh or zsh"
    )


_COMMANDS: dict[str | None, Callable[[Commands], None]] = {
    "create": making_bundles.create,
    "diff": making_bundles.diff,
    "explain": making_bundles.explain,
    "apply": using_roots.apply,
    "merge": making_bundles.merge,
    "inventory": using_roots.inventory,
    "rollback": using_roots.rollback,
    "prune": using_roots.prune,
    "inspect": reading.inspect,
    "history": reading.history,
    "verify": reading.verify,
    "restore": reading.restore,
    "push": using_registries.push,
    "serve": using_registries.serve,
    "send": using_registries.send,
    "sign": making_bundles.sign,
    "trust": using_roots.trust,
    "split": carrying.split,
    "join": carrying.join,
    "topup": carrying.topup,
    "store": keeping_releases.store,
    "doctor": carrying.doctor,
    "completion": _completion,
}
"""In the order in which the help lists them."""
_GROUPS = frozenset(("store",))
"""Those that are several commands, each with a second word."""
