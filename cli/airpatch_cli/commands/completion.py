"""`airpatch completion`: a script that completes airpatch's command line in a shell."""

from __future__ import annotations

import argparse

import shtab

from airpatch_cli.console import Console, Result
from airpatch_cli.grammar.command_line import build_parser

_FILES = ("SOURCE", "FILE", "BUNDLE", "BASE", "PATCH", "PART", "WHAT", "FROM", "KEY", "FILE.sig", "ALLOWED_SIGNERS")
_COMPLETE = {
    **dict.fromkeys((*_FILES, "OUT", "PLAN", "STORE", "INVENTORY", "VERSION|INVENTORY"), shtab.FILE),
    **dict.fromkeys(("DIR", "ROOT", "FOLDER"), shtab.DIRECTORY),
}
"""How to complete an argument, by its metavar."""


def run(args: argparse.Namespace, _: Console) -> Result:
    parser = build_parser()
    _mark(parser)
    script = shtab.complete(parser, shell=args.shell)
    return Result({"shell": args.shell, "script": script}, text=f"{script}\n")


def _mark(parser: argparse.ArgumentParser) -> None:
    """Mark for shtab the arguments that are files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command)
        elif action.metavar in _COMPLETE:
            action.complete = _COMPLETE[action.metavar]  # type: ignore[attr-defined]
