"""What came of mutants (tests/mutants.py): in lines to read, and as docs/MUTANTS.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KILLED, SURVIVED, UNREACHED, INVALID = "killed", "survived", "unreached", "invalid"

_ROW = re.compile(r"\| `(.+?)` \| `(.+?)` \| `(.+?)` \| `(.+?)` \| (.*) \|")
_HEAD = """# Mutants that no test notices

`python -m tests.mutants` changes the parsers and `target/` at places drawn at random, one at a time, and runs the fast
tests of their package; [CONTRIBUTING.md](../CONTRIBUTING.md) says more. This page is made by
`python -m tests.mutants --results FILE --document docs/MUTANTS.md`, which keeps the reasons that stand here.

Of {population} mutants {count} were tried, and {killed} killed: {share:.1f} %. These have survived:

| module | function | what it says | what it would say | why it may |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Mutant:
    """The `number`-th change of `module`, in a statement of these lines; `was` and `becomes` are Python."""

    module: str
    number: int
    line: int
    lines: range
    function: str
    was: str
    becomes: str


@dataclass(frozen=True)
class Outcome:
    """`result` is one of those above; INVALID stands for a mutant that was not tried, too."""

    mutant: Mutant
    result: str


def report(outcomes: Sequence[Outcome], population: int) -> None:
    """Print the survivors, and the share that was killed."""
    counted, alive = _counted(outcomes)
    for outcome in alive:
        mutant = outcome.mutant
        reached = "" if outcome.result == SURVIVED else ", which no test reaches"
        print(f"{mutant.module}:{mutant.line}: {mutant.was} -> {mutant.becomes}{reached}")
    killed = counted - len(alive)
    print(f"{killed} of {counted} killed ({100 * killed / max(1, counted):.1f} %), of {population} that there are")


def write_document(path: Path, outcomes: Sequence[Outcome], population: int) -> None:
    """Write the list of survivors, each with the reason that `path` gives already."""
    rows = map(_ROW.fullmatch, path.read_text().splitlines() if path.exists() else [])
    reasons = {row.groups()[:-1]: row[5] for row in rows if row}
    counted, alive = _counted(outcomes)
    killed = counted - len(alive)
    share = 100 * killed / max(1, counted)
    text = _HEAD.format(population=f"{population:,}", count=f"{counted:,}", killed=f"{killed:,}", share=share)
    for outcome in alive:
        mutant = outcome.mutant
        key = tuple(map(_code, (mutant.module, mutant.function, mutant.was, mutant.becomes)))
        text += f"| {' | '.join(f'`{cell}`' for cell in key)} | {reasons.get(key, 'to be looked at')} |\n"
    path.write_text(text)


def _counted(outcomes: Sequence[Outcome]) -> tuple[int, list[Outcome]]:
    """Return how many mutants were tried, and those that survived."""
    counted = [outcome for outcome in outcomes if outcome.result != INVALID]
    alive = [outcome for outcome in counted if outcome.result != KILLED]
    return len(counted), sorted(alive, key=lambda each: (each.mutant.module, each.mutant.line, each.mutant.number))


def _code(text: str) -> str:
    """Return `text` as it stands in a cell of a table."""
    return text.replace("|", "\\|").replace("`", "'")
