"""The compiled modules are plain Python: their tests pass without a compiler, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder",
    [
        *("deflate", "delta", "encoders", "sketches"),
        *("views/test_class_files.py", "views/test_jimage_rows.py", "views/test_pyc_files.py"),
    ],
)
def test_codecs_run_uncompiled(folder: str, tmp_path: Path) -> None:
    for name in ("bundle", "cli", "fixtures", "spec", "tests"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'bundle'}:{tmp_path / 'cli'}"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    where = python("-c", "import airpatch.deflate.huffman as module; print(module.__file__)")
    assert where.stdout == f"{tmp_path}/bundle/airpatch/deflate/huffman.py\n"
    apart = f"--basetemp={tmp_path / 'temporary'}"  # else sessions remove each other's old folders
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", apart, "-m", "not slow", f"tests/{folder}")
    assert done.returncode == 0, done.stdout[-5000:]


def test_coverage_leaves_out_what_is_compiled_and_nothing_else() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    compiled = re.findall(r'^    "(airpatch\.[\w.]+)",', (PROJECT / "setup.py").read_text(), re.MULTILINE)
    assert sorted(settings["omit"]) == sorted(f"*/{name.replace('.', '/')}.py" for name in compiled)
