"""The grammar is strict: nothing is abbreviated, and a slip is answered with what may have been meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airpatch_cli.grammar.command_line import build_parser
from tests.cli.support import airpatch, commands, words_of

COMMANDS = commands()


def test_every_prefix_of_every_option_is_refused() -> None:
    for command, parser in COMMANDS.items():
        options = {option for option in parser._option_string_actions if option.startswith("--")}
        for option in options:
            for end in range(3, len(option)):
                if option[:end] not in options:
                    outcome = airpatch(*words_of(command), option[:end])
                    assert outcome.code == 2, (command, option[:end])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["restore", "root", "-o", "out", "--imag", "x"], "unrecognized option --imag; did you mean --image?"),
        (["create", "x", "-o", "y", "--image=z"], "unrecognized option --image; did you mean --images-list?"),
        (["create", "x", "-o", "y", "--nonsense"], "unrecognized option --nonsense (see airpatch create --help)"),
        (["apply", "x", "--rooot", "y"], "unrecognized option --rooot; did you mean --root?"),
        (["create", "x", "--output-file=y"], "unrecognized option --output-file"),
        (["inspect", "a", "b"], "unexpected argument 'b'"),
        (["aply"], "unknown command 'aply'; did you mean apply?"),
        (["nonsense"], "unknown command 'nonsense' (see airpatch --help)"),
        (["--versio"], "unrecognized option --versio; did you mean --version?"),
        (["help", "aply"], "unknown command 'aply'; did you mean apply?"),
        (["store", "lst", "x"], "unknown command 'lst'; did you mean list? (see airpatch store --help)"),
        (["store", "list", "x", "--jsn"], "unrecognized option --jsn; did you mean --json? (see airpatch store list"),
        (["store", "--jsn"], "unrecognized option --jsn (see airpatch store --help)"),
        (["help", "store", "list", "x"], "help takes one command at most"),
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
    assert {words_of(command)[0] for command in COMMANDS} <= set(re.findall(r"^ {4}(\w+)", outcome.out, re.MULTILINE))


def test_help_for_a_command() -> None:
    assert airpatch("help", "apply").out == airpatch("apply", "--help").out
    assert airpatch("help", "store", "add").out == airpatch("store", "add", "--help").out
    assert airpatch("store").out == airpatch("help", "store").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("create r1 -o x --effort best", "--effort has no effect without --repack"),
        ("create r1 -o x --memory 1GiB", "--memory has no effect without --repack"),
        ("diff --base a r1 -o x --no-layer-patches --effort fast", "--effort has no effect with --no-layer-patches"),
        ("diff --base a r1 -o x --no-layer-patches --content b", "--content has no effect with --no-layer-patches"),
        ("apply x --root y --as oci", "--as has no effect without --restore"),
        ("apply x --root y --link hard", "--link has no effect without --restore"),
        ("verify x --threshold 2", "--threshold has no effect without --trust ALLOWED_SIGNERS"),
        ("verify x --principal a", "--principal has no effect without --trust ALLOWED_SIGNERS"),
        ("completion bash --jobs 2", "unrecognized option --jobs"),
        ("prune root --progress plain", "unrecognized option --progress"),
    ],
)
def test_options_without_an_effect_are_refused(words: str, message: str) -> None:
    outcome = airpatch(*words.split())
    assert outcome.code == 2
    assert message in outcome.err


def test_an_empty_string_is_refused_by_every_option_and_argument(tmp_path: Path) -> None:
    """What a script makes of an unset variable must stand neither for the current folder nor for the default."""
    tried = set()
    for command, parser in COMMANDS.items():
        positionals = [action for action in parser._actions if not action.option_strings]
        for action in parser._actions:
            if action.nargs == 0:
                continue
            if action.option_strings:
                words = [f"{action.option_strings[-1]}="]
            else:
                words = ["" if other is action else "x" for other in positionals]
            outcome = airpatch(*words_of(command), *words)
            assert outcome.code == 2, (command, words)
            assert outcome.err.startswith("airpatch: argument "), (command, words, outcome.err)
            tried.add((command, action.dest))
    assert {("apply", "root"), ("serve", "root"), ("prune", "root"), ("restore", "output"), ("trust", "root")} <= tried
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("create images -o a -o b", "-o"),
        ("create images -o a --output b", "--output"),
        ("diff --base a images -o b --release 1 --release=1", "--release"),
        ("apply bundle --root a --root b", "--root"),
    ],
)
def test_an_option_with_one_value_is_given_once(words: str, option: str) -> None:
    outcome = airpatch(*words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{option} is given twice (see airpatch {words.split()[0]} --help)" in outcome.err


def test_options_that_may_be_repeated_are() -> None:
    words = ["create", "images", "-o", "bundle", "--tag", "a:1", "--tag", "b:1", "-v", "-v", "--json", "--json"]
    parsed = build_parser().parse_args(words)
    assert (parsed.tags, parsed.verbose) == (["a:1", "b:1"], 2)
    assert build_parser().parse_args(words) == parsed
