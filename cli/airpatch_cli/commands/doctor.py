"""`airpatch doctor`: what this host provides, and which commands will work on it."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch_cli.console import Console, Result, table

_WORDS = {"ok": "works", "limited": "works, with limits", "missing": "does not work"}


def run(args: Namespace, console: Console) -> Result:
    found = airpatch.doctor(args.root)
    facts = [(fact.name, "" if fact.state == "ok" else f"{fact.state}: ", fact.text) for fact in found.facts]
    lines = table([(name, f"{state}{text}") for name, state, text in facts])
    lines += ["", *table([_command(ability) for ability in found.abilities])]
    return Result(
        {
            "root": None if found.root is None else str(found.root),
            "facts": [{"name": fact.name, "state": fact.state, "text": fact.text} for fact in found.facts],
            "commands": [
                {
                    "command": ability.command,
                    "state": ability.state,
                    "because": [fact.name for fact in ability.because],
                }
                for ability in found.abilities
            ],
        },
        lines,
        0 if found.is_fit else airpatch.TargetError.exit_code,
    )


def _command(ability: airpatch.Ability) -> tuple[str, str]:
    because = f": {', '.join(fact.name for fact in ability.because)}" if ability.because else ""
    return f"airpatch {ability.command}", f"{_WORDS[ability.state]}{because}"
