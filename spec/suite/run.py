"""Run all cases of the suite against a command: `python -m spec.suite.run [--digests] [--small] COMMAND ...`."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import DIGESTS, FIXTURES, Case, all_cases


@dataclass(frozen=True)
class Result:
    """What a command answered to a case: `right`, `unsupported`, or `wrong`."""

    case: Case
    answer: dict[str, Any]
    outcome: str


def _judge(case: Case, answer: dict[str, Any], small: bool) -> Result:
    if answer["verdict"] == "unsupported" and not (small and case.is_small):
        return Result(case, answer, "unsupported")
    right = all(answer.get(key) == value for key, value in case.expected.items())
    return Result(case, answer, "right" if right else "wrong")


def run(command: list[str], chosen: Callable[[Case], bool] = lambda case: True, *, small: bool = False) -> list[Result]:
    """The results of all cases that are chosen, in their order; the command runs once.

    `small` says that the reader has all of the small set of encoders: that a case is unsupported for which this
    suffices is wrong.

    Raises:
        RuntimeError: the command ended before it had answered all requests.
    """
    with tempfile.TemporaryDirectory() as scratch:
        cases = [case for case in all_cases(Path(scratch)) if chosen(case)]
        requests = "".join(json.dumps(case.request) + "\n" for case in cases)
        done = subprocess.run(
            command, input=requests, text=True, stdout=subprocess.PIPE, check=False, cwd=FIXTURES.parent
        )
    answers = done.stdout.splitlines()
    if len(answers) != len(cases):
        raise RuntimeError(f"{len(answers)} answers to {len(cases)} requests")
    return [_judge(case, json.loads(answer), small) for case, answer in zip(cases, answers, strict=True)]


def table(results: list[Result]) -> str:
    """The outcomes by group, and each case that went wrong."""
    groups = {result.case.group: Counter[str]() for result in results}
    for result in results:
        groups[result.case.group][result.outcome] += 1
    groups["all"] = sum(groups.values(), Counter())
    lines = ["| cases of | right | unsupported | wrong |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {one['right']} | {one['unsupported']} | {one['wrong']} |" for name, one in groups.items()]
    wrong = [result for result in results if result.outcome == "wrong"]
    return "\n".join(lines + [f"{one.case.name}: expected {one.case.expected}, answered {one.answer}" for one in wrong])


def _note_digests(results: list[Result]) -> None:
    """Write the digests of what was accepted, for other readers to be held against."""
    kept = ("blobs", "content", "columns", "stream")
    digests = {
        one.case.name: {key: one.answer[key] for key in kept if key in one.answer}
        for one in results
        if one.answer["verdict"] == "accept"
    }
    DIGESTS.write_text(json.dumps({name: known for name, known in digests.items() if known}, indent=1) + "\n")


def main() -> int:
    """Run the suite; the exit code is 1 if a case went wrong."""
    parser = argparse.ArgumentParser(description="Run all cases of the suite against a command.")
    parser.add_argument("--digests", action="store_true", help="write digests.json from the answers")
    parser.add_argument(
        "--small", action="store_true", help="the reader has the small set of encoders, and may lack all others"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    results = run(arguments.command, small=arguments.small)
    if arguments.digests:
        _note_digests(results)
    print(table(results))
    return int(any(result.outcome == "wrong" for result in results))


if __name__ == "__main__":
    sys.exit(main())
