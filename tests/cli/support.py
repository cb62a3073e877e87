"""Runs the command line in this process or in one of its own, and reads scripts of commands and their output."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from airpatch_cli.grammar.command_line import build_parser
from airpatch_cli.main import main

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = PROJECT / "fixtures" / "images"
SCHEMA = json.loads((PROJECT / "spec" / "json.schema.json").read_text())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout, which is as spec/json.schema.json has it."""
        return check_document(self.out)


def check_document(text: str) -> dict[str, Any]:
    """The JSON document `text`, validated against the definition that its format names."""
    document = json.loads(text)
    assert isinstance(document, dict)
    assert next(iter(document)) == "format"
    name, _, version = document["format"].removeprefix("airpatch.").partition("/")
    assert version == "1"
    validator(name).validate(document)
    return document


def validator(name: str) -> Draft202012Validator:
    """Of the definition `name` in spec/json.schema.json."""
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def airpatch(*words: object) -> Outcome:
    """Run airpatch in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit:  # argparse, after --help
            code = 0
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*words: object, ignored: Sequence[signal.Signals] = (), **options: Any) -> subprocess.Popen[bytes]:
    """Start airpatch as a process of its own, with pipes where `options` say nothing else.

    It ignores the signals `ignored` and no others, whatever this process inherited from its own caller.
    """

    def set_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-m", "airpatch", *map(str, words)]
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command, env=environment(), preexec_fn=set_signals, **{**pipes, **options}
    )
    return process


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{PROJECT / 'bundle'}:{PROJECT / 'cli'}"}


@dataclass(slots=True)
class Step:
    """A command of a script, and what it must leave. `line` is for messages."""

    line: int
    command: str
    code: int = 0
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


def parse_script(text: str) -> Iterator[Step]:
    """The steps of a script: `$ command`, then lines of stdout, `! ` lines of stderr, `? ` and the exit code.

    Lines with `#` in front and empty ones say nothing.
    """
    step = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(number, line[2:])
        elif line and not line.startswith("#"):
            assert step is not None, f"line {number}: output before the first command"
            if line.startswith("? "):
                step.code = int(line[2:])
            elif line.startswith("! "):
                step.err.append(line[2:])
            else:
                step.out.append(line)
    if step is not None:
        yield step


def matches(expected: Sequence[str], actual: str) -> bool:
    """Whether the lines of `actual` are as `expected`; `...` is any text in a line, or any lines."""
    lines = [r"(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n" for line in expected]
    visible = "".join(f"{line}\n" for line in actual.splitlines() if line)
    return re.fullmatch("".join(lines), visible) is not None


def commands(parser: argparse.ArgumentParser | None = None, group: str = "") -> dict[str, argparse.ArgumentParser]:
    """The parsers of all commands, by name; one of a group is called `GROUP-COMMAND`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in (parser or build_parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found |= commands(command, f"{name}-") or {f"{group}{name}": command}
    return found


def words_of(command: str) -> list[str]:
    """How a command is written on the command line."""
    return command.split("-")
