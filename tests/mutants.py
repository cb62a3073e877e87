"""Mutation testing of parsers and of `target/`: does a module's own test notice a small change of it?

    python -m tests.mutants [--sample N] [--seed N] [--only WORD] [--results FILE] [--document FILE]

Draws N mutants (default: 1,000) of all that there are, runs for each the fast and medium tests that pass through the
changed line, and prints the survivors and the share that was killed. The tests are those of the module's package, its
own file first; they end with the first failure, or after 20 seconds of processor time. What FILE has already is not
run again, and a smaller sample of one seed is the beginning of a larger one: a long run can be made in pieces. What
has survived is listed in --document FILE, too, where the reasons that it gives already are kept.

A mutant changes one expression or statement within a function: comparisons, operators, constants, conditions, returned
values; or it leaves out a statement. What a message says is not changed, nor what stands outside of functions. Compiled
modules are left out: their oracles are real encoders. A mutant that no test reaches has survived; one that makes a test
run out of time or memory is killed.

mutmut and cosmic-ray start pytest for each mutant. Here it collects the tests of a package once, and each mutant is a
fork of that process in which the code of one function is replaced.
"""

from __future__ import annotations

import argparse
import ast
import gc
import itertools
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tests.mutants_report import INVALID, KILLED, SURVIVED, UNREACHED, Mutant, Outcome, report, write_document

PROJECT = Path(__file__).resolve().parent.parent
LIBRARY = PROJECT / "bundle" / "airpatch"
MUTATED = {
    "archive": ("archive/frame_reader.py", "archive/reader.py", "archive/signed.py"),
    "deflate/test_layout_column.py": ("deflate/layout_column.py",),
    "delta": ("delta/columns.py", "delta/decoder.py"),
    "format": ("format/*.py",),
    "layers/test_recipe.py": ("layers/recipe.py",),
    "model": ("model/*.py",),
    "signing": ("signing/*.py",),
    "target": ("target/*.py",),
}
"""Parsers of what others wrote, and the applier, by their tests."""

_MOST_SECONDS = 20
_MEMORY = 4 << 30
_PATIENCE = 20
"""Seconds in which hardly anything of a mutant runs, after which it waits forever for a process or a thread."""


@dataclass
class _Edit:
    """Puts `new` where `holder` has a node, in its field `field`, at `index` if that is a list."""

    holder: ast.AST
    field: str
    index: int | None
    new: ast.AST

    def swap(self) -> None:
        """Make the change; once more takes it back."""
        value = getattr(self.holder, self.field)
        if self.index is None:
            setattr(self.holder, self.field, self.new)
            self.new = value
        else:
            value[self.index], self.new = self.new, value[self.index]


_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd, ast.Div: ast.Mult,
}  # fmt: skip


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in place of `node`."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in _COMPARISONS:
            yield ast.Compare(left, [_COMPARISONS[type(operator)]()], right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.AugAssign(target, operator, value) if type(operator) in _OPERATORS:
            yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
            yield ast.Assign([target], value)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(str(text)):
            yield ast.Constant(f"X{text}")
        case ast.Constant(bytes(data)):
            yield ast.Constant(b"X" + data)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.If(test, body, orelse) if not isinstance(test, ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Assign(targets, value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Assign(targets, ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Expr(ast.Call()) | ast.Raise() | ast.Expr(ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()


def _is_message(node: ast.AST) -> bool:
    """Return whether `node` is there for people alone."""
    match node:
        case ast.JoinedStr() | ast.Expr(ast.Constant(str())):
            return True
        case ast.Call(ast.Name(name)):
            return name.endswith("Error") or name in ("BaseMismatch", "located", "cast")
        case ast.Call(ast.Attribute(ast.Name("_LOG"))):
            return True
    return False


_NOT_CODE = frozenset({"annotation", "returns", "decorator_list", "format_spec"})


def _edits(
    holder: ast.AST, function: str, lines: range = range(0), *, inside: bool = False
) -> Iterator[tuple[_Edit, ast.AST, str, range]]:
    """Yield the changes below `holder`, what is there, the outermost function, and the lines of the statement.

    Only what is `inside` a function counts.
    """
    for field, value in ast.iter_fields(holder):
        if field in _NOT_CODE or isinstance(value, ast.arguments):
            continue
        for position, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or _is_message(node):
                continue
            if inside:
                around = _own_lines(node) if isinstance(node, ast.stmt) else lines
                for new in _changed(node):
                    index = position if isinstance(value, list) else None
                    yield _Edit(holder, field, index, ast.copy_location(new, node)), node, function, around
                yield from _edits(node, function, around, inside=True)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                inner = f"{function}.{node.name}".strip(".")
                yield from _edits(node, inner, inside=isinstance(node, ast.FunctionDef))


def _own_lines(statement: ast.stmt) -> range:
    """Return the lines of `statement` without those of statements in it."""
    match statement:
        case ast.Match(cases=[case, *_]):
            body = case.body
        case _:
            body = getattr(statement, "body", [])
    end = body[0].lineno if body else (statement.end_lineno or 0) + 1
    return range(statement.lineno, max(end, statement.lineno + 1))


class Module:
    """A module, its source and its changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = LIBRARY / name
        self._tree = ast.parse(self.path.read_text())
        found = list(_edits(self._tree, ""))
        self._changes = [edit for edit, *_ in found]
        self.mutants = [
            Mutant(name, number, getattr(node, "lineno", 0), lines, function, _text(node), _text(edit.new))
            for number, (edit, node, function, lines) in enumerate(found)
        ]

    @property
    def own_test(self) -> str:
        """The beginning of the names of its own tests."""
        return str(Path("tests", self.name).with_name(f"test_{Path(self.name).name}"))

    def changed_code(self, mutant: Mutant) -> CodeType | None:
        """Return the code of the outermost function that `mutant` changes; None if it is no Python."""
        edit = self._changes[mutant.number]
        edit.swap()
        try:
            whole = compile(ast.fix_missing_locations(self._tree), str(self.path), "exec")
        except (SyntaxError, ValueError):
            return None
        finally:
            edit.swap()
        codes = [code for code in _functions(whole) if code.co_qualname == mutant.function]
        return next((code for code in codes if code.co_firstlineno <= mutant.line <= _last_line(code)), None)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}:"
    return ast.unparse(ast.fix_missing_locations(node)).replace("\n", " ")


def _functions(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _functions(constant)


def _last_line(code: CodeType) -> int:
    lines = [line for *_, line in code.co_lines() if line is not None]
    return max([*lines, *map(_last_line, (c for c in code.co_consts if isinstance(c, CodeType)))])


Note = Callable[[Mutant, str], None]


@dataclass(frozen=True)
class _Test:
    """A test, its processor time in seconds, and the lines of each module that it passes through."""

    item: pytest.Item
    seconds: float
    lines: dict[str, set[int]]


class Trials:
    """The pytest plugin that takes the place of the usual run of tests, once they are collected."""

    def __init__(self, modules: Sequence[Module], mutants: Sequence[Mutant], note: Note) -> None:
        self._modules = {module.name: module for module in modules}
        self._mutants = mutants
        self._note = note
        self._failed = False
        self._base = Path(tempfile.mkdtemp(prefix="airpatch-mutants-"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        import hypothesis  # pytest rewrites it, which must not be too late

        config.option.basetemp = str(self._base)
        hypothesis.settings.register_profile(
            "mutants", hypothesis.settings(), phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        for conftest in session.config.pluginmanager.get_plugins():
            getattr(conftest, "prepare", lambda: None)()  # what all tests may share, however often they are run
        items = list(session.items)
        measured = _in_child(lambda: self._baseline(session, items))
        if measured is None:
            raise session.Failed("the tests fail without a mutant, too")
        tests = [
            _Test(item, seconds, {name: set(lines) for name, lines in passed.items()})
            for item, (seconds, passed) in zip(items, measured, strict=True)
        ]
        functions: dict[tuple[str, str, int], list[FunctionType]] = {}
        for thing in gc.get_objects():
            if type(thing) is FunctionType:
                code = thing.__code__
                functions.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(thing)
        for mutant in self._mutants:
            module = self._modules[mutant.module]
            changed = module.changed_code(mutant)
            place = (str(module.path), mutant.function, changed.co_firstlineno) if changed else None
            targets = functions.get(place, []) if place else []
            if changed is None or not targets:
                self._note(mutant, INVALID)
                continue
            chosen = _chosen(tests, module, mutant)
            self._note(mutant, self._try(session, chosen, targets, changed) if chosen else UNREACHED)
        shutil.rmtree(self._base, ignore_errors=True)
        return True

    def _baseline(
        self, session: pytest.Session, items: Sequence[pytest.Item]
    ) -> list[tuple[float, dict[str, list[int]]]]:
        """Return for each test its processor time in seconds and the lines of each module that it passes through."""
        names = {str(module.path): module.name for module in self._modules.values()}
        passed: dict[str, set[int]] = {}

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            name = names.get(frame.f_code.co_filename)
            if name is None:
                return None
            passed.setdefault(name, set()).add(frame.f_lineno)
            return trace

        found = []
        for item in items:
            passed.clear()
            began = time.process_time()
            threading.settrace(trace)
            sys.settrace(trace)
            self._run(session, item)
            sys.settrace(None)
            if self._failed:
                print(f"{item.nodeid} fails", file=sys.__stderr__)
                os._exit(1)
            found.append((time.process_time() - began, {name: sorted(lines) for name, lines in passed.items()}))
        return found

    def _try(
        self,
        session: pytest.Session,
        tests: Sequence[_Test],
        targets: Sequence[FunctionType],
        code: CodeType,
    ) -> str:
        def run() -> str:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            try:
                for function in targets:
                    function.__code__ = code
            except ValueError:  # it uses other variables of what surrounds it
                return INVALID
            for test, following in zip(tests, [*(test.item for test in tests[1:]), None], strict=True):
                until = int(time.process_time() + 5 + 3 * test.seconds)
                resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
                self._run(session, test.item, following)
                if self._failed:
                    return KILLED
            return SURVIVED

        result = _in_child(run)
        return KILLED if result is None else str(result)

    def _run(self, session: pytest.Session, item: pytest.Item, following: pytest.Item | None = None) -> None:
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _chosen(tests: Sequence[_Test], module: Module, mutant: Mutant) -> list[_Test]:
    """Return the tests that pass through the changed line, the module's own first, then by their cost."""
    through = [test for test in tests if not test.lines.get(module.name, set()).isdisjoint(mutant.lines)]
    through.sort(key=lambda test: (not test.item.nodeid.startswith(module.own_test), test.seconds))
    sums = itertools.accumulate(test.seconds for test in through)
    return [test for test, seconds in zip(through, sums, strict=True) if seconds <= _MOST_SECONDS or test is through[0]]


def _in_child(work: Callable[[], object]) -> Any:
    """Return what `work` returns in a fork of this process, as JSON; None if that ends in any other way."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(read)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        try:
            answer = json.dumps(work()).encode()
            with os.fdopen(write, "wb") as file:
                file.write(answer)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    data = b""
    with os.fdopen(read, "rb", buffering=0) as file:
        poll = select.poll()
        poll.register(file, select.POLLIN)
        ended = False
        before, quiet = -1, 0
        while not ended and quiet < _PATIENCE:
            if poll.poll(1000):
                piece = file.read(1 << 16)
                data += piece
                ended = not piece
                continue
            ended = bool(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))  # others may hold the pipe
            spent = _ticks(pid)
            quiet = quiet + 1 if spent <= before + 1 else 0
            before = spent
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return json.loads(data) if data else None


def _ticks(session: int) -> int:
    """Return the processor time of all processes of `session`, in clock ticks."""
    spent = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                spent += int(fields[11]) + int(fields[12])
    return spent


def _modules(patterns: Sequence[str]) -> Iterator[Module]:
    for path in sorted(path for pattern in patterns for path in LIBRARY.glob(pattern)):
        name = str(path.relative_to(LIBRARY))
        is_compiled = any(path.parent.glob(f"{path.stem}.*.so"))
        if path.name != "__init__.py" and not is_compiled:
            yield Module(name)


def _run_tests(tests: str, modules: Sequence[Module], mutants: Sequence[Mutant], note: Note) -> int:
    words = ["-q", "-p", "no:cacheprovider", "-n", "0", "-m", "not slow and not faults", "--no-header",
             "--hypothesis-profile=mutants", str(PROJECT / "tests" / tests)]  # fmt: skip
    return int(pytest.main(words, plugins=[Trials(modules, mutants, note)]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="how many mutants (default: 1000)")
    parser.add_argument("--seed", type=int, default=15, metavar="N", help="of the sample (default: 15)")
    parser.add_argument("--only", default="", metavar="WORD", help="of these, those whose module has WORD in its path")
    parser.add_argument("--document", type=Path, metavar="FILE", help="the list of survivors that is written anew")
    parser.add_argument("--results", type=Path, metavar="FILE", help="JSON lines, which are read first and continued")
    args = parser.parse_args()
    suites = {tests: list(_modules(patterns)) for tests, patterns in MUTATED.items()}
    everything = [mutant for modules in suites.values() for module in modules for mutant in module.mutants]
    random.Random(args.seed).shuffle(everything)
    sample = [mutant for mutant in everything[: args.sample] if args.only in mutant.module]

    def note(mutant: Mutant, result: str) -> None:
        """In whichever process: by way of the file."""
        with results_file.open("a") as file:
            file.write(json.dumps([mutant.module, mutant.number, mutant.was, result]) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        results_file = args.results or Path(folder) / "results"
        known = _read(results_file)
        for tests, modules in suites.items():
            names = {module.name for module in modules}
            due = [mutant for mutant in sample if mutant.module in names and _key(mutant) not in known]
            call = partial(_run_tests, tests, modules, due, note)
            if due and _in_child_process(call) != 0:
                print(f"tests/{tests}: do not run", flush=True)
        found = _read(results_file)
        outcomes = [Outcome(mutant, found.get(_key(mutant), INVALID)) for mutant in sample]
        report(outcomes, len(everything))
        if args.document:
            write_document(args.document, outcomes, len(everything))
    return 0


_Key = tuple[str, int, str]


def _key(mutant: Mutant) -> _Key:
    return mutant.module, mutant.number, mutant.was


def _read(file: Path) -> dict[_Key, str]:
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(module, number, was): result for module, number, was, result in rows}


def _in_child_process(work: Callable[[], int]) -> int:
    """Each package has a pytest of its own; what it loads is not there for the next."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
