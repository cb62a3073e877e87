"""Where a module's tests stand: in `tests/<package>/test_<module>.py`, or in a suite that is named here."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIBRARY = TESTS.parent / "bundle" / "airpatch"

SUITES = {
    "blobs/test_conformance.py": "every kind of Content keeps the same promises",
    "cli/*": "the command line is tested as it is used: real commands and their output",
    "delta/test_delta.py": "encoder and decoder are inverses, whatever the sources",
    "delta/test_vectors.py": "deltas of the specification's vectors",
    "destinations/test_skopeo.py": "what skopeo makes of restored images",
    "faults/*": "kills, power cuts and I/O errors under real commands",
    "operations/test_progress.py": "of each part of each operation, what is announced is done",
    "patches/test_sizes.py": "the sizes of patches, so that nothing eats them",
    "patches/test_images.py": "patches between whole images",
    "registry/*": "a live registry",
    "sources/test_conformance.py": "every kind of source gives the same bundle",
    "target/test_foreign.py": "what others put into a root",
    "target/test_products.py": "several products on one root",
    "views/test_finders.py": "every finder, on the same inputs",
    "views/test_expand_fold.py": "expanding and folding are inverses",
    "test_*.py": "the project as a whole: fixtures, specification, README, structure",
}
"""Test files that belong to no single module, and what they hold together."""

TESTED_BY = {
    "deflate/dynamic.py": ("deflate/test_inflate.py", "headers of dynamic blocks come out of whole streams"),
    "deflate/history.py": ("deflate/test_matches.py", "ranks are what matches are told by"),
    "deflate/tables.py": ("deflate/test_huffman.py", "constants of RFC 1951"),
    "delta/*.py": ("delta/test_delta.py", "parts of one codec: encoder and decoder are inverses"),
    "destinations/*.py": ("destinations/test_restorer.py", "a restore goes through all of them"),
    "encoders/kzstd*.py": ("encoders/test_zstd_replicas.py", "one conformance suite for every replica"),
    "encoders/*.py": ("encoders/test_replicas.py", "one conformance suite for every replica"),
    "archive/pack.py": ("archive/test_writer.py", "a bundle at its destination"),
    "archive/prepared.py": ("archive/test_writer.py", "the value that is written"),
    "blobs/receiver.py": ("archive/test_reader.py", "a protocol"),
    "model/chosen_source.py": ("layers/test_differ.py", "a value that the differ fills"),
    "host/facts.py": ("host/test_runtime.py", "the value that is found out"),
    "format/parts.py": ("parts/test_joined.py", "the header of a part, by the vectors"),
    "tool/site_instructions.py": ("tool/test_executable.py", "what lies beside the bundle"),
    "format/sealed.py": ("parts/test_joined.py", "the header of a part, by the vectors"),
    "format/top_ups.py": ("archive/test_topped_up.py", "requests and top-ups, as they come and damaged"),
    "archive/damage.py": ("archive/test_topped_up.py", "what is asked for of a damaged copy"),
    "parts/*.py": ("parts/test_joined.py", "parts are split, found, verified and read as one file"),
    "blobs/byte_source.py": ("archive/test_frame_reader.py", "where frames are read"),
    "operations/*.py": ("cli/test_scripts.py", "each operation is one command"),
    "patches/layer_patching.py": ("patches/test_images.py", "patches between whole images"),
    "report/*.py": ("cli/test_scripts.py", "what the commands print"),
    "sources/*.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "target/staging.py": ("target/test_installer.py", "an apply goes through it"),
    "target/stocktaking.py": ("patches/test_bases.py", "an inventory is a base"),
    "views/finders/*.py": ("views/test_finders.py", "every finder, on the same inputs"),
    "views/*.py": ("views/test_expand_fold.py", "expanding and folding are inverses"),
    "errors.py": ("cli/test_help.py", "exit codes, in help and README"),
    "execution.py": ("archive/test_writer.py", "how every operation is done"),
    "layers/differences.py": ("layers/test_patch_maker.py", "the workshop makes them"),
    "log.py": ("cli/test_logs.py", "what -v and -vv show"),
    "progress.py": ("operations/test_progress.py", "what is announced is done"),
    "gear.py": ("delta/test_delta.py", "constants"),
    "__main__.py": ("cli/test_process.py", "runs the command line"),
}
"""Modules, by pattern, that have no test file of their own; the first pattern that fits counts."""


def modules() -> list[str]:
    return sorted(str(path.relative_to(LIBRARY)) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def own_test(module: str) -> Path:
    path = TESTS / module
    return path.with_name(f"test_{path.name}")


def files_of_tests() -> list[str]:
    return sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_tests(module: str) -> None:
    if own_test(module).is_file():
        return
    suite = next((suite for pattern, (suite, _) in TESTED_BY.items() if fnmatchcase(module, pattern)), None)
    assert suite is not None, f"write tests/{own_test(module).relative_to(TESTS)}"
    assert (TESTS / suite).is_file()


def test_every_exception_is_needed() -> None:
    without = [module for module in modules() if not own_test(module).is_file()]
    unused = [pattern for pattern in TESTED_BY if not any(fnmatchcase(module, pattern) for module in without)]
    assert unused == []


@pytest.mark.parametrize("file", files_of_tests())
def test_every_test_file_is_a_modules_or_a_suite(file: str) -> None:
    path = Path(file)
    is_a_modules = (LIBRARY / path.with_name(path.name.removeprefix("test_"))).is_file()
    assert is_a_modules or any(fnmatchcase(file, suite) for suite in SUITES if "/" in suite or "/" not in file)


@pytest.mark.parametrize("file", sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py")))
def test_nothing_imports_from_a_test_module(file: str) -> None:
    tree = ast.parse((TESTS / file).read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    found = [name for name in imported if name.startswith("tests.") and ".test_" in name]
    assert found == [], "what tests share belongs in conftest.py or support.py"
