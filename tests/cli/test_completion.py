"""The completion script, under a real bash."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airpatch_cli.commands.completion import _COMPLETE
from airpatch_cli.grammar.command_line import build_parser
from tests.cli.support import airpatch

NOT_FILES = {"DATE", "N", "NAME", "RELEASE", "SHELL", "COMMAND", "[DIGEST=]NAME:TAG", "SIZE", "OS/ARCH[/VARIANT]"}
NOT_FILES |= {
    "docker://HOST[/PREFIX]",
    "OLD=NEW",
    "HOST:PORT",
    "DIR=REPOSITORY",
    "HOST:ROOT",
    "NAME=VALUE",
    "I/N",
    "local|dask-local:N|dask://HOST:PORT",
}

COMPLETE = """
. ./script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
_shtab_airpatch airpatch "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    outcome = airpatch("completion", "bash")
    assert outcome.code == 0
    (tmp_path / "script").write_text(outcome.out)
    (tmp_path / "shop.tar.zst").touch()
    (tmp_path / "shop").mkdir()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("airpatch ins", {"inspect"}),
        ("airpatch inspect --bl", {"--blobs"}),
        ("airpatch inspect sh", {"shop", "shop.tar.zst"}),
        ("airpatch apply shop.tar.zst --root sh", {"shop"}),
        ("airpatch restore shop.tar.zst --as ", {"dir", "oci", "oci-archive", "docker-archive"}),
        ("airpatch create --progress pl", {"plain"}),
        ("airpatch completion z", {"zsh"}),
        ("airpatch store pr", {"prune"}),
        ("airpatch store prune --dr", {"--dry-run"}),
        ("airpatch store add sh", {"shop", "shop.tar.zst"}),
    ],
)
def test_bash_completes(line: str, expected: set[str]) -> None:
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", *line.split(" ")], capture_output=True, text=True)
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


def test_every_argument_is_known() -> None:
    """A new argument must be one that names a file, or be listed as one that does not."""
    assert {a.metavar for a in _arguments(build_parser())} - {None} <= {*_COMPLETE, *NOT_FILES}


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _arguments(command)
        else:
            yield action
