"""What `--help` says is so, and comes at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from airpatch import errors
from airpatch.errors import AirpatchError
from airpatch_cli.grammar.command_line import build_parser
from tests.cli.support import PROJECT, airpatch, commands, environment, words_of

LIBRARIES = {"zstandard", "msgpack", "xxhash", "isal", "tqdm", "shtab", "json", "dataclasses", "inspect", "hashlib"}
LIBRARIES |= {"pathlib", "shutil", "typing"}


def test_every_module_is_a_command() -> None:
    modules = {path.stem for path in (PROJECT / "cli" / "airpatch_cli" / "commands").glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in commands()} == modules


def exit_codes() -> dict[str, int]:
    """The exit codes of all error classes but the base, which is never raised."""
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, AirpatchError)]
    return {c.__name__: c.exit_code for c in classes if c is not AirpatchError}


def test_help_lists_every_exit_code() -> None:
    outcome = airpatch("--help")
    listed = re.findall(r"(?:^| {2,})(\d) [a-z]", outcome.out.partition("exit codes:")[2], re.MULTILINE)
    assert sorted(map(int, listed)) == sorted({0, 1, *exit_codes().values()})
    assert outcome.code == 0


def test_the_readme_has_the_same_exit_codes() -> None:
    rows = re.findall(r"^\| (\d) \| (?:`(\w+)`)? ?\| ", (PROJECT / "README.md").read_text(), re.MULTILINE)
    assert {name: int(code) for code, name in rows if name} == exit_codes()
    assert [int(code) for code, name in rows if not name] == [0, 1]


@pytest.mark.parametrize("name", commands())
def test_help_of_a_command(name: str) -> None:
    outcome = airpatch(*words_of(name), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\nexamples:\n  " in outcome.out
    assert "--json" in outcome.out


@pytest.mark.parametrize("name", commands())
def test_examples_are_right(name: str) -> None:
    """Every airpatch command line in the examples parses, and one of them is for the command itself."""
    text = (commands()[name].epilog or "").partition("examples:\n")[2]
    found = [shlex.split(words) for words in re.findall(r"(?<!-n )airpatch ([^|<>&)\n]+)", text)]
    parsed = [build_parser().parse_args(words) for words in found]
    assert name in [args.command for args in parsed]


def test_help_about_help_and_about_a_group() -> None:
    assert airpatch("help", "help") == airpatch("--help")
    assert "Run 'airpatch help store COMMAND' for details" in airpatch("help", "store").out


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "airpatch_cli.commands.completion", raising=False)
    monkeypatch.setitem(sys.modules, "shtab", None)
    outcome = airpatch("completion", "bash")
    assert outcome.err == "airpatch: this needs shtab, which is not installed: pip install airpatch\n"
    assert outcome.code == 2
    monkeypatch.setitem(sys.modules, "airpatch_cli.commands.completion", None)
    assert airpatch("completion", "bash").code == 1  # which is no fault of the host


def test_help_loads_no_library() -> None:
    program = f"""
import sys
before = set(sys.modules)
from airpatch_cli.main import main
try:
    main(["--help"])
except SystemExit:
    print("loaded:", *sorted({LIBRARIES!r} & set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"airpatch": "1.2.3"}.__getitem__)
    assert airpatch("--version").out == "airpatch 1.2.3\n"


def test_version_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert airpatch("--version").out == "airpatch, run from its source and not installed\n"
