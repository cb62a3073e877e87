"""The grammar is strict: nothing is abbreviated, and a slip is answered with what may have been meant."""

from __future__ import annotations

import argparse
import re

import pytest

from airpatch_cli.arguments import build_parser
from tests.cli.support import airpatch

COMMANDS = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices


def test_every_prefix_of_every_option_is_refused() -> None:
    for command, parser in COMMANDS.items():
        options = {option for option in parser._option_string_actions if option.startswith("--")}
        for option in options:
            for end in range(3, len(option)):
                if option[:end] not in options:
                    outcome = airpatch(command, option[:end])
                    assert outcome.code == 2, (command, option[:end])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["restore", "root", "-o", "out", "--imag", "x"], "unrecognized option --imag; did you mean --image?"),
        (["create", "x", "-o", "y", "--image=z"], "unrecognized option --image; did you mean --images-list?"),
        (["create", "x", "-o", "y", "--nonsense"], "unrecognized option --nonsense (see airpatch create --help)"),
        (["inspect", "a", "b"], "unexpected argument 'b'"),
        (["aply"], "unknown command 'aply'; did you mean apply?"),
        (["nonsense"], "unknown command 'nonsense' (see airpatch --help)"),
        (["--versio"], "unrecognized option --versio; did you mean --version?"),
        (["help", "aply"], "unknown command 'aply'; did you mean apply?"),
    ],
)
def test_slips_are_answered(words: list[str], message: str) -> None:
    outcome = airpatch(*words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("words", [[], ["help"]], ids=["bare", "help"])
def test_the_commands_are_shown(words: list[str]) -> None:
    outcome = airpatch(*words)
    assert outcome.code == 0
    assert set(COMMANDS) <= set(re.findall(r"^ {4}(\w+)", outcome.out, re.MULTILINE))


def test_help_for_a_command() -> None:
    assert airpatch("help", "apply").out == airpatch("apply", "--help").out
