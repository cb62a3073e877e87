"""Which checks of the second reader some case of the suite needs: `python -m spec.suite.mutants [MODULE ...]`.

Each call of `require` is a check. It is left out, one at a time, and the suite must notice: a case gets another answer,
or none. What is not noticed has no vector of its own.
"""

import ast
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from spec.reader import __main__ as command
from spec.reader import errors

from .cases import Case, all_cases

READER = Path(errors.__file__).parent
MEMORY, SECONDS = 3 << 30, 5
"""Bytes and seconds of processor time, beyond which a mutant counts as noticed."""
SLOW = {"vectors/index-maps"}
"""Cases that only the decoder of MessagePack is tried with."""
Site = tuple[str, int]
"""A module, and the line in which a call of `require` begins."""


def sites(module: str) -> list[tuple[Site, str]]:
    """The calls of `require` in a module, and what each says."""
    found = []
    for node in ast.walk(ast.parse((READER / f"{module}.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            found.append(((module, node.lineno), ast.unparse(node)))
    return sorted(found)


def leave_out(site: Site) -> None:
    """Have the check at this site pass whatever it finds."""

    def lenient(condition: object, what: str) -> None:
        if not condition and sys._getframe(1).f_lineno not in lines:
            raise errors.FormatError(what)

    module = sys.modules[f"spec.reader.{site[0]}"]
    source = ast.parse((READER / f"{site[0]}.py").read_text())
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call) and node.lineno == site[1]]
    lines = range(site[1], max(node.end_lineno or node.lineno for node in calls) + 1)
    vars(module)["require"] = lenient


def notices(cases: list[Case]) -> str | None:
    """The name of the first case that gets a wrong answer, None if there is none."""
    for case in cases:
        try:
            answer: dict[str, Any] = command.answer(dict(case.request))
        except Exception as error:  # noqa: BLE001 # a mutant may fail in any way
            return f"{case.name} ({type(error).__name__})"
        wrong = any(answer.get(key) != value for key, value in case.expected.items())
        if answer["verdict"] != "unsupported" and wrong:
            return case.name
    return None


def try_mutant(site: Site, cases: list[Case]) -> str | None:
    """What notices the mutant, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        leave_out(site)
        os.write(writing, json.dumps(notices(cases)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return str(json.loads(said) or "") or None if said else f"ended by {status}"


def main(arguments: list[str]) -> int:
    """Try all mutants, and print those that nothing notices."""
    modules = arguments or sorted(path.stem for path in READER.glob("[a-z]*.py") if path.stem != "errors")
    with tempfile.TemporaryDirectory() as scratch:
        # What is accepted stays so without a check.
        cases = [case for case in all_cases(Path(scratch)) if case.expected["verdict"] == "refuse"]
        noticed = total = 0
        for module in modules:
            for site, text in sites(module):
                total += 1
                by = try_mutant(site, [case for case in cases if module == "canonical" or case.name not in SLOW])
                noticed += by is not None
                print(f"{'noticed' if by else 'MISSED '} {site[0]}:{site[1]} {text[:110]} {by or ''}", flush=True)
    print(f"{noticed} of {total} checks are needed by some case ({100 * noticed / max(1, total):.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
