"""Which checks of a reader some case of the suite needs: `python -m spec.suite.mutants [reader|airpatch] [PATH ...]`.

Each call of `require`, each `raise` of an error of the reader's own, and what a `Leaf` of the second reader demands of
its value is a check. One at a time is left out, and the suite must notice: a case gets another answer, or none. What is
not noticed has no vector of its own. Where a library has checked, and its error is raised as one of the reader's own
(`refusing`), that of the library is let through. In modules that pass over what they do not take, and refuse nothing,
each part of a condition is a check. Modules are those of the second reader, or of airpatch's parsers, which then run
as plain Python.

Checks are left out by a switch that each of them gets while its module is loaded. A first run of all cases finds by
which checks each of them passes that do not hold; no other case can notice.
"""

import argparse
import ast
import importlib
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from .cases import Case, all_cases

ROOT = Path(__file__).parents[2]
MEMORY, PROCESSOR, WAIT = 600 << 20, 30, 1200
"""More bytes than before, more seconds of processor time than twice of what its cases took before, and seconds of
waiting, beyond which a mutant counts as noticed."""
SLOW = {"vectors/index-maps"}
"""Cases that only the decoder of MessagePack is tried with."""
VERDICT, REASON, BACKED, MISSED = WAYS = "verdict", "reason", "backed", "missed"
"""How a check that is left out shows: some case has another verdict, class or digests; is refused with other words, by
a check behind it; is refused with the same words; or no case comes to a check that does not hold."""
_SWITCH = "_check_is_on"
_OUTSIDE = {
    *("ValueError", "TypeError", "NotImplementedError", "AssertionError", "RuntimeError", "CancelledError"),
    *("TargetError", "UsageError", "Unsupported"),
}
"""Exceptions that say that a caller, a disk or this reader is wrong, or that somebody wants to end; not an input."""


@dataclass(frozen=True)
class Site:
    """Where a check stands, and what it says."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Subject:
    """A reader: the package that is loaded with switches, its modules with checks, and who answers requests."""

    package: str
    folder: Path
    modules: tuple[str, ...]
    command: str
    others: frozenset[str] = frozenset()
    """Functions of these modules that read nothing of what the suite has."""
    typed: tuple[str, ...] = ()
    """Modules that share types of C with them, which all or none of them have."""
    silent: tuple[str, ...] = ()
    """Those that pass over what is malformed, or is not what they look for: nothing of it is an error."""

    def paths(self, patterns: Sequence[str]) -> set[Path]:
        """The modules that match."""
        return {path for pattern in patterns for path in self.folder.glob(pattern)}


SUBJECTS = {
    "reader": Subject(
        "spec.reader",
        ROOT / "spec" / "reader",
        ("[a-z]*.py",),
        "spec.reader.answers",
        frozenset({"_decisions"}),
        silent=("debug_info.py", "predict.py", "tar_headers.py"),
    ),
    "airpatch": Subject(
        "airpatch",
        ROOT / "bundle" / "airpatch",
        (
            *("archive/frame_reader.py", "archive/opening.py", "archive/reader.py", "deflate/*.py"),
            *("delta/addresses.py", "delta/byte_differences.py", "delta/columns.py", "delta/debug_*.py"),
            *("delta/decoder.py", "delta/predict_*.py", "delta/tar_headers.py", "delta/varints.py"),
            *("encoders/replicas.py", "encoders/zstd_columns.py", "encoders/zstd_decisions.py"),
            *("encoders/zstd_frame.py", "encoders/zstd_layout.py", "encoders/zstd_replicas.py"),
            *("encoders/zstd_toc.py", "encoders/zstd_write_blocks.py", "format/canonical.py"),
            *("format/features.py", "format/fields.py", "format/index*.py", "format/layout.py", "format/parts.py"),
            *("format/registry.py", "format/release_part.py", "format/sealed.py", "format/tar.py", "format/zstd.py"),
            *("layers/blob_builder.py", "layers/decision_reader.py", "layers/frames.py", "layers/recipe.py"),
            *("layers/step_sources.py", "layers/uncompressed.py", "model/*.py", "signing/bundle_signatures.py"),
            *("signing/sshsig.py", "signing/wire.py", "views/class_*.py", "views/description.py", "views/expand.py"),
            *("views/fold.py", "views/framings.py", "views/jimage_index.py", "views/perfect_hash.py"),
            "views/pyc_files.py",
        ),
        "spec.suite.airpatch_answers",
        frozenset({"ImageName.parse", "check_time", "emit_index", "parse_list", "plan_parts", "relocate"}),
        ("delta/debug_*.py", "delta/predict*.py", "delta/references.py", "encoders/[!l]*.py"),
        ("delta/debug_*.py", "delta/predict_*.py", "delta/tar_headers.py"),
    ),
}


@dataclass
class Switches:
    """All checks that were loaded. `off` is left out; `met` has those that did not hold since it was cleared."""

    sites: list[Site] = field(default_factory=list)
    off: int = -1
    met: set[int] = field(default_factory=set)

    def is_on(self, number: int) -> bool:
        """Whether a check that does not hold is to refuse."""
        self.met.add(number)
        return number != self.off


class _Switching(ast.NodeTransformer):
    """Gives each check of a module a switch."""

    def __init__(self, path: Path, switches: Switches, others: frozenset[str], is_silent: bool) -> None:
        self.path, self.switches, self.others, self.is_silent = path, switches, others, is_silent
        self.within: list[str] = []
        self.in_handler = False

    def _switch(self, node: ast.AST, text: str) -> ast.expr:
        self.switches.sites.append(Site(self.path, getattr(node, "lineno", 0), text))
        number = ast.Constant(len(self.switches.sites) - 1)
        return ast.Call(ast.Name(_SWITCH, ast.Load()), [number], [])

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._inside(node)

    def _inside(self, node: ast.ClassDef | ast.FunctionDef) -> ast.AST:
        self.within.append(node.name)
        if ".".join(self.within) not in self.others:
            self.generic_visit(node)
        self.within.pop()
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "require":
            node.args[0] = self._or_left_out(node.args[0], node)
        elif name == "Leaf" and len(node.args) == 3:
            holds = ast.Call(node.args[2], [ast.Name("value", ast.Load())], [])
            value = ast.arguments(posonlyargs=[], args=[ast.arg("value")], kwonlyargs=[], kw_defaults=[], defaults=[])
            node.args[2] = ast.Lambda(value, self._or_left_out(holds, node))
        elif name == "refusing":
            node.args[0] = ast.IfExp(self._switch(node, ast.unparse(node)), node.args[0], ast.Tuple([], ast.Load()))
        return node

    def _or_left_out(self, condition: ast.expr, node: ast.AST | None = None) -> ast.expr:
        is_on = self._switch(condition, ast.unparse(node or condition))
        return ast.BoolOp(ast.Or(), [condition, ast.UnaryOp(ast.Not(), is_on)])

    def _and_not_left_out(self, condition: ast.expr) -> ast.expr:
        return ast.BoolOp(ast.And(), [condition, self._switch(condition, ast.unparse(condition))])

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if self.is_silent and not isinstance(node.test, ast.BoolOp) and ast.unparse(node.test) != "cython.compiled":
            node.test = self._and_not_left_out(node.test)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self.is_silent:
            leaving_out = self._or_left_out if isinstance(node.op, ast.And) else self._and_not_left_out
            node.values = [each if isinstance(each, ast.BoolOp) else leaving_out(each) for each in node.values]
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.ifs = [self.visit(each) for each in node.ifs]  # what is gone through is no condition
        if self.is_silent:
            node.ifs = [each if isinstance(each, ast.BoolOp) else self._or_left_out(each) for each in node.ifs]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        before, self.in_handler = self.in_handler, True
        self.generic_visit(node)
        self.in_handler = before
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc) if node.exc else ""
        if not name or name.rpartition(".")[2] in _OUTSIDE or self.path.stem == "errors" or self.is_silent:
            return node
        others: list[ast.stmt] = [ast.Raise()] if self.in_handler else []
        return ast.If(self._switch(node, ast.unparse(node)), [node], others)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, switching: _Switching) -> None:
        super().__init__(name, path)
        self.switching = switching

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = self.switching.visit(ast.parse(self.get_data(path)))
        code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_SWITCH] = self.switching.switches.is_on
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Loads some modules of a subject from their sources, with switches, whether they are compiled or not."""

    def __init__(self, subject: Subject, switches: Switches, modules: Sequence[str]) -> None:
        self.subject, self.switches = subject, switches
        wanted = subject.paths([f"{each}.py" for each in modules])
        self.checked = subject.paths(subject.modules) & wanted
        folders = {path.parent for path in self.checked}
        self.typed = {path for path in subject.paths(subject.typed) if path.parent in folders}
        self.silent = subject.paths(subject.silent)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for folder in path or () if fullname.startswith(f"{self.subject.package}.") else ():
            spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname)
            path_ = Path(spec.origin) if spec is not None and spec.origin is not None else None
            if spec is not None and path_ in self.checked:
                switching = _Switching(path_, self.switches, self.subject.others, path_ in self.silent)
                spec.loader = _Loader(fullname, str(path_), switching)
            if path_ in self.checked | self.typed:
                return spec
        return None


@dataclass(frozen=True)
class Outcome:
    """The answer to a case, empty if there is none, and the reason that it gives, without names of scratch files."""

    verdict: dict[str, Any]
    reason: str

    @classmethod
    def of(cls, answer: Callable[[dict[str, Any]], dict[str, Any]], case: Case) -> "Outcome":
        """What is answered to a case."""
        try:
            given = answer(dict(case.request))
        except Exception:  # noqa: BLE001 # a mutant may fail in any way
            return cls({}, "")
        return cls(given, re.sub(r"/tmp/\w+", "", given.pop("why", "")))


def try_mutant(notices: Callable[[], tuple[str, str]], seconds: float) -> tuple[str, str]:
    """What a process of its own says, or how it ended; before, all that it does took so many seconds."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        memory = MEMORY + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        most = PROCESSOR + 2 * math.ceil(seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        signal.alarm(WAIT)
        os.write(writing, json.dumps(notices()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if not said:
        return VERDICT, f"ended by {status}"
    how, by = json.loads(said)
    return str(how), str(by)


def main() -> int:
    """Try all mutants, and print how they show."""
    parser = argparse.ArgumentParser(description="Which checks of a reader some case of the suite needs.")
    parser.add_argument("reader", nargs="?", choices=SUBJECTS, default="reader")
    parser.add_argument("modules", nargs="*", help="paths in its package, such as views/pyc_*; all by default")
    arguments = parser.parse_args()
    subject = SUBJECTS[arguments.reader]
    counts = Counter[str]()
    if arguments.modules:
        counts = _try_all(subject, arguments.modules)
    else:
        for folder in sorted({str(path.parent.relative_to(subject.folder)) for path in subject.paths(subject.modules)}):
            # In a process of its own: the modules of other folders are compiled ones, which is quicker.
            command = [sys.executable, "-m", "spec.suite.mutants", arguments.reader, f"{folder}/*"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                for line in process.stdout or ():
                    if line.partition(" ")[0] in WAYS:
                        counts[line.partition(" ")[0]] += 1
                        print(line, end="", flush=True)
            if process.returncode:
                return 1
    total = max(1, counts.total())
    for what, known in (("verdict", counts[VERDICT]), ("verdict, or its reason,", counts[VERDICT] + counts[REASON])):
        print(f"{known} of {total} checks ({100 * known / total:.1f} %), left out, change the {what} of some case")
    return 0


def _try_all(subject: Subject, modules: Sequence[str]) -> Counter[str]:
    """Try the mutants of these modules, and print how each of them shows; how many show in which way."""
    counts, switches = Counter[str](), Switches()
    finder = _Finder(subject, switches, modules)
    sys.meta_path.insert(0, finder)
    answer = importlib.import_module(subject.command).answer
    for path in sorted(finder.checked):  # those, too, that no case needs
        importlib.import_module(".".join((subject.package, *path.relative_to(subject.folder).with_suffix("").parts)))
    with tempfile.TemporaryDirectory() as scratch:
        by_check: dict[int, list[Case]] = defaultdict(list)
        right: dict[str, Outcome] = {}
        took: dict[str, float] = {}
        for case in all_cases(Path(scratch)):
            if case.name.endswith(".gz"):  # large, and nothing is wrong with them
                continue
            switches.met.clear()
            begin = time.process_time()
            right[case.name] = Outcome.of(answer, case)
            took[case.name] = time.process_time() - begin
            for number in switches.met:
                by_check[number].append(case)

        def notices(number: int) -> tuple[str, str]:
            cases = sorted(by_check[number], key=lambda case: took[case.name])
            slow = {case.name for case in cases} <= SLOW
            by_reason = ""
            for case in cases:
                if case.name in SLOW and not slow:
                    continue
                switches.off = number
                found, expected = Outcome.of(answer, case), right[case.name]
                if found.verdict != expected.verdict:
                    return VERDICT, case.name
                if found.reason != expected.reason and not by_reason:
                    switches.off = -1
                    if Outcome.of(answer, case) == expected:  # else the reason has something of the moment in it
                        by_reason = f"{case.name}: {expected.reason!r:.200} -> {found.reason!r:.200}"
            return (REASON, by_reason) if by_reason else (BACKED, ", ".join(case.name for case in cases[:3]))

        for number, site in enumerate(switches.sites):
            how, by = MISSED, ""
            if number in by_check:
                before = sum(took[case.name] for case in by_check[number])
                how, by = try_mutant(lambda number=number: notices(number), before)  # type: ignore[misc]
            counts[how] += 1
            print(f"{how:8}{site} {site.text[:100]!r} {by}", flush=True)
    return counts


if __name__ == "__main__":
    sys.exit(main())
