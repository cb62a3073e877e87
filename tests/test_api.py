"""The package itself: its public names, that it reads as a manual, and that it is loaded lightly."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import pydoc
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import airpatch

SOURCE = Path(airpatch.__file__).read_text()
FUNCTIONS = [name for name in airpatch.__all__ if inspect.isfunction(getattr(airpatch, name))]
COMMANDS = Path(__file__).parents[1] / "cli/airpatch_cli/commands"


def test_every_command_on_bundles_and_roots_is_a_function() -> None:
    commands = {path.stem for path in COMMANDS.glob("[a-z]*.py")} - {"completion"}
    assert commands <= set(FUNCTIONS)
    assert "open_bundle" in FUNCTIONS


def test_no_module_bears_the_name_of_a_function() -> None:
    """It would take the function's place in the package as soon as somebody imports it."""
    modules = {info.name for info in pkgutil.iter_modules(airpatch.__path__)}
    assert len(modules) > 10
    assert modules.isdisjoint(FUNCTIONS)


def test_type_checkers_see_the_names_that_are_there() -> None:
    """What is imported for them is what the table loads."""
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    assert seen == {name: f"airpatch.{home}.{name}" for name, home in airpatch._HOME.items()}
    assert sorted(seen) == airpatch.__all__


def test_unknown_names_are_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'crate'"):
        airpatch.crate  # noqa: B018
    assert set(airpatch.__all__) <= set(dir(airpatch))


def test_help_is_a_manual() -> None:
    """An example first, then every class and function with all that its docstring says."""
    text = pydoc.plain(pydoc.render_doc(airpatch))
    flat = " ".join(text.replace(" | ", " ").split())
    assert text.index("airpatch.create(") < text.index("FUNCTIONS")
    for name in airpatch.__all__:
        value = getattr(airpatch, name)
        doc = inspect.getdoc(value)
        assert doc, name
        if inspect.isfunction(value):
            assert f"    {name}(" in text
            assert " ".join(doc.split()) in flat, name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_raise(name: str) -> None:
    if name != "scratch_files":
        assert "Raises" in str(inspect.getdoc(getattr(airpatch, name)))


def test_importing_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import airpatch; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert [name for name in loaded if name.startswith("airpatch")] == ["airpatch"]
    assert "logging" not in loaded


def test_imports_have_no_circle() -> None:
    graph = grimp.build_graph("airpatch", "airpatch_cli", exclude_type_checking_imports=True)
    below: dict[str, set[str]] = {}
    pending = sorted(graph.modules)
    while pending:  # take away modules that import only such as are taken away already
        ready = [name for name in pending if graph.find_modules_directly_imported_by(name) <= set(below)]
        assert ready, f"a circle among {pending}"
        below.update((name, set()) for name in ready)
        pending = [name for name in pending if name not in below]


def test_a_command_parses_and_makes_one_call() -> None:
    """Commands call the package's functions, each one of them, and import no other command."""
    for path in COMMANDS.glob("[a-z]*.py"):
        tree = ast.parse(path.read_text())
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not any(name.startswith("airpatch_cli.commands") for name in imported), path
        assert {name for name in imported if name.split(".")[0] == "airpatch"} <= {"airpatch", "airpatch.units"}, path
        (run,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run")
        calls = [
            node.func.attr
            for node in ast.walk(run)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "airpatch"
        ]
        assert len(calls) == (path.stem != "completion"), path
        importlib.import_module(f"airpatch_cli.commands.{path.stem}")
