"""The conformance suite (spec/suite) against airpatch and against the second reader, which shares no code with it."""

import ast
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from fuzz import readers
from spec.suite import run
from spec.suite.cases import Case

ROOT = Path(__file__).parent.parent
AIRPATCH = [sys.executable, "-m", "spec.suite.airpatch_answers"]
READER = [sys.executable, "-m", "spec.reader"]


def _is_quick(case: Case) -> bool:
    return not case.name.endswith(".gz")


def test_the_second_reader_judges_all_vectors_right() -> None:
    results = run.run(READER, _is_quick, small=True)
    assert [result for result in results if result.outcome == "wrong"] == []
    assert sum(result.outcome == "right" for result in results) > 350


@pytest.mark.slow
def test_the_second_reader_finds_the_same_decisions_in_real_layers() -> None:
    results = run.run(READER, lambda case: not _is_quick(case), small=True)
    assert [result for result in results if result.outcome == "wrong"] == []


@pytest.mark.slow
def test_airpatch_judges_all_vectors_right() -> None:
    """As the suite sees it; tests/test_vectors.py holds it against them one by one."""
    results = run.run(AIRPATCH)
    assert [result for result in results if result.outcome != "right"] == []


@pytest.mark.parametrize("kind", readers.KINDS)
def test_both_readers_agree_on_mutants(kind: str) -> None:
    assert readers.run(kind, 150, 0, float("inf")) == 0


def test_the_core_of_the_second_reader_lacks_extensions_and_is_wrong_about_nothing(tmp_path: Path) -> None:
    extensions = set(re.findall(r"`(\w+)`\\\*", (ROOT / "spec" / "reader" / "README.md").read_text())) - {"answers"}
    reader = tmp_path / "reader"
    reader.mkdir()
    for path in (ROOT / "spec" / "reader").glob("*.py"):
        if path.stem not in extensions:
            shutil.copy(path, reader)
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from reader.__main__ import main; main([])"
    results = run.run([sys.executable, "-c", start], _is_quick)
    assert [result for result in results if result.outcome == "wrong"] == []
    outcomes = Counter(result.outcome for result in results if result.case.is_small)
    assert outcomes["right"] > 3 * outcomes["unsupported"] > 0


def test_a_wrong_answer_is_told_from_a_right_one(tmp_path: Path) -> None:
    liar = tmp_path / "liar.py"
    liar.write_text('import sys\nfor line in sys.stdin: print(\'{"verdict": "accept"}\')\n')
    results = run.run([sys.executable, str(liar)], lambda case: case.group == "delta")
    assert {result.outcome for result in results} == {"wrong"}
    assert "| delta | 0 | 0 |" in run.table(results)


def test_a_reader_of_the_small_set_may_lack_what_is_beyond_it_alone(tmp_path: Path) -> None:
    idle = tmp_path / "idle.py"
    idle.write_text('import sys\nfor line in sys.stdin: print(\'{"verdict": "unsupported", "why": "all"}\')\n')
    results = run.run([sys.executable, str(idle)], lambda case: case.group == "encoders", small=True)
    outcomes = {result.case.name: result.outcome for result in results}
    assert outcomes["encoders/zlib-6"] == "wrong"
    assert outcomes["encoders/go1-flate-6"] == outcomes["encoders/magic-1"] == "unsupported"


def test_the_second_reader_shares_no_code_with_airpatch() -> None:
    for path in sorted((ROOT / "spec" / "reader").glob("*.py")):
        assert len(path.read_text().splitlines()) < 400, path
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0].startswith("airpatch")], path
