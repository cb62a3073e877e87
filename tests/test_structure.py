"""Where a module's tests stand: in `tests/<package>/test_<module>.py`, or in a suite that is named here."""

from __future__ import annotations

import ast
import subprocess
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
    "operations/test_attacks.py": "what an attacker who holds the disk could do, against the public functions",
    "operations/test_progress.py": "of each part of each operation, what is announced is done",
    "operations/test_zstd_layers.py": "zstd layers go through every operation",
    "patches/test_sizes.py": "the sizes of patches, so that nothing eats them",
    "patches/test_images.py": "patches between whole images",
    "registry/*": "a live registry",
    "registry_api/*": "registries over HTTP: live ones, small servers and a proxy that hurts what passes",
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
    "destinations/registry_*.py": ("registry_api/test_pushing.py", "pushes into a live registry"),
    "destinations/*.py": ("destinations/test_restorer.py", "a restore goes through all of them"),
    "encoders/kzstd*.py": ("encoders/test_zstd_replicas.py", "one conformance suite for every replica"),
    "encoders/*.py": ("encoders/test_replicas.py", "one conformance suite for every replica"),
    "archive/pack.py": ("archive/test_writer.py", "a bundle at its destination"),
    "archive/prepared.py": ("archive/test_writer.py", "the value that is written"),
    "blobs/receiver.py": ("archive/test_reader.py", "a protocol"),
    "format/fields.py": ("format/test_index_encoding.py", "types of fields are refused there"),
    "format/index.py": ("format/test_index_encoding.py", "values that it encodes"),
    "format/release_part.py": ("format/test_index_encoding.py", "a part of the encoding"),
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
    "sources/file_folders.py": ("files/test_laying_out.py", "folders are packed and laid out"),
    "patches/chains.py": ("patches/test_merging.py", "bundles that follow each other are merged"),
    "patches/completion.py": ("registry_api/test_pushing.py", "a base and its patches are pushed"),
    "patches/registry_base.py": ("registry_api/test_pushing.py", "a patch is pushed upon what a registry has"),
    "patches/layer_patching.py": ("patches/test_images.py", "patches between whole images"),
    "registry_api/*.py": ("registry_api/test_pulling.py", "a live registry answers as its storage does"),
    "report/*.py": ("cli/test_scripts.py", "what the commands print"),
    "sources/*.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "target/staging.py": ("target/test_installer.py", "an apply goes through it"),
    "target/stocktaking.py": ("patches/test_bases.py", "an inventory is a base"),
    "views/finders/*.py": ("views/test_finders.py", "every finder, on the same inputs"),
    "views/*.py": ("views/test_expand_fold.py", "expanding and folding are inverses"),
    "extras.py": ("cli/test_scripts.py", "what a command says where an extra is missing"),
    "errors.py": ("cli/test_help.py", "exit codes, in help and README"),
    "execution.py": ("archive/test_writer.py", "how every operation is done"),
    "layers/differences.py": ("layers/test_patch_maker.py", "the workshop makes them"),
    "log.py": ("cli/test_logs.py", "what -v and -vv show"),
    "progress.py": ("operations/test_progress.py", "what is announced is done"),
    "gear.py": ("delta/test_delta.py", "constants"),
    "__main__.py": ("cli/test_process.py", "runs the command line"),
}
"""Modules, by pattern, that have no test file of their own; the first pattern that fits counts."""


TOP_LEVEL = {
    ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
    "LICENSE", "README.md", "README.zh-CN.md", "SECURITY.md", "bench", "bundle", "check.sh", "cli", "docs",
    "environment.sh", "examples",
    "fixtures", "fuzz", "packaging", "pyproject.toml", "release.sh", "setup.py", "spec", "tests",
}  # fmt: skip
"""What lies at the top of the project. A file that a mistyped redirection made is none of it."""


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


def test_nothing_else_lies_at_the_top() -> None:
    """Of what git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        found = {line.strip('"').partition("/")[0] for line in listed.stdout.splitlines()}
    else:  # a copy without a repository, such as that which CI makes
        ignored = (TESTS.parent / ".gitignore").read_text().split()
        names = (path.name for path in TESTS.parent.iterdir())
        found = {name for name in names if not any(fnmatchcase(name, line.strip("/")) for line in ignored)}
    assert found - {".git"} == TOP_LEVEL
