"""Where a module's tests stand: in `tests/<package>/test_<module>.py`, or in a suite that is named here."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.durations import medium

TESTS = Path(__file__).parent
LIBRARY = TESTS.parent / "bundle" / "airpatch"
COMMANDS = TESTS.parent / "cli" / "airpatch_cli"

SUITES = {
    "blobs/test_conformance.py": "every kind of Content keeps the same promises",
    "cli/*": "the command line is tested as it is used: real commands and their output",
    "delta/test_delta.py": "encoder and decoder are inverses, whatever the sources",
    "delta/test_vectors.py": "deltas of the specification's vectors",
    "destinations/test_runtimes.py": "what podman and containerd make of archives",
    "destinations/test_skopeo.py": "what skopeo makes of restored images",
    "faults/*": "kills, power cuts and I/O errors under real commands",
    "operations/test_attacks.py": "what an attacker who holds the disk could do, against the public functions",
    "operations/test_progress.py": "of each part of each operation, what is announced is done",
    "operations/test_zstd_layers.py": "zstd layers go through every operation",
    "patches/test_sizes.py": "the sizes of patches, so that nothing eats them",
    "patches/test_images.py": "patches between whole images",
    "registry/*": "a live registry",
    "registry_api/*": "registries over HTTP: live ones, small servers and a proxy that damages what passes",
    "report/test_browser.py": "a real browser goes through the pages",
    "sources/test_conformance.py": "every kind of source gives the same bundle",
    "target/test_foreign.py": "what others put into a root",
    "target/test_products.py": "several products on one root",
    "views/test_finders.py": "every finder, on the same inputs",
    "views/test_expand_fold.py": "expanding and folding are inverses",
    "test_*.py": "the project as a whole: fixtures, specification, README, structure",
}
"""Test files that belong to no single module, and what they hold together."""

CODECS = {
    "delta/*.py": ("delta/test_delta.py", "parts of one codec: encoder and decoder are inverses"),
    "encoders/kzstd*.py": ("encoders/test_zstd_replicas.py", "one conformance suite for every replica"),
    "encoders/*.py": ("encoders/test_replicas.py", "one conformance suite for every replica"),
    "views/finders/*.py": ("views/test_finders.py", "every finder, on the same inputs"),
    "views/*.py": ("views/test_expand_fold.py", "expanding and folding are inverses"),
}
"""Parts of codecs, by pattern; the first that fits counts. A part shows nothing that the whole does not: the oracle of
a replica is the real encoder, that of a difference and of a view is what it came from."""

TESTED_TOGETHER = {
    "cli/test_process.py": ("runs the command line", ["__main__.py"]),
    "archive/test_topped_up.py": ("what is asked for of a damaged copy", ["archive/damage.py"]),
    "archive/test_writer.py": (
        "the value that is written, and the file at its destination",
        ["archive/pack.py", "archive/prepared.py"],
    ),
    "archive/test_frame_reader.py": ("where frames are read", ["blobs/byte_source.py"]),
    "archive/test_reader.py": (
        "a reader carries what is under way to receivers",
        ["archive/window.py", "blobs/receiver.py"],
    ),
    "deflate/test_matches.py": ("ranks are what matches are told by", ["deflate/match_window.py"]),
    "registry_api/test_pushing.py": (
        "pushes into a live registry, also of a base and its patches, and upon what it has",
        [
            "destinations/registry_plan.py",
            "destinations/registry_push.py",
            "patches/completed_release.py",
            "patches/registry_base.py",
        ],
    ),
    "destinations/test_restorer.py": ("a restore goes through it", ["destinations/transfer.py"]),
    "format/test_index_encoding.py": ("parts of the encoding", ["format/fields.py", "format/release_part.py"]),
    "archive/test_misfits.py": ("what files are told apart by", ["format/magics.py"]),
    "delta/test_delta.py": ("constants", ["gear.py"]),
    "product_line/test_line_plan.py": ("a constant that plans have", ["product_line/codec.py"]),
    "host/test_runtime.py": ("the value that is found out", ["host/facts.py"]),
    "layers/test_blob_builder.py": ("every method of a layer patch reads decisions so", ["layers/decision_reader.py"]),
    "layers/test_patch_maker.py": (
        "a patch maker makes the differences, and tries all ways",
        ["layers/differences.py", "layers/gzip_ways.py", "layers/ways.py", "layers/zstd_ways.py"],
    ),
    "layers/test_steps.py": ("what a step keeps follows from what it reads", ["layers/step_sources.py"]),
    "cli/test_logs.py": ("what -v and -vv show", ["log.py"]),
    "layers/test_differ.py": (
        "the differ unpacks layers, and fills a value",
        ["layers/unpacking.py", "model/chosen_source.py"],
    ),
    "cli/test_scripts.py": (
        "each operation is one command, and reports are what commands print",
        [
            "operations/apply_bundles.py",
            "operations/complete_copy.py",
            "operations/explain_patch.py",
            "operations/lay_out_files.py",
            "operations/manage_root.py",
            "operations/manage_store.py",
            "operations/merge_bundles.py",
            "operations/push_images.py",
            "operations/send_bundle.py",
            "operations/serve_images.py",
            "operations/verify_content.py",
            "report/layer_patches.py",
            "report/root_report.py",
        ],
    ),
    "report/test_cost_tree.py": ("a tree is made of shares", ["report/cost_shares.py"]),
    "report/test_package_records.py": ("packages are what records tell of", ["report/package.py"]),
    "report/test_patch_report.py": ("a report is what its document says", ["report/patch_document.py"]),
    "parts/test_joined.py": (
        "parts are split, found, verified and read as one file",
        ["parts/gathering.py", "parts/parity.py", "parts/part_files.py", "parts/splitting.py"],
    ),
    "patches/test_merging.py": ("bundles that follow each other are merged", ["patches/chains.py"]),
    "patches/test_images.py": ("patches between whole images", ["patches/layer_patching.py"]),
    "registry_api/test_pulling.py": (
        "a live registry answers as its storage does",
        ["registry_api/access.py"],
    ),
    "signing/test_allowed_signers.py": ("a file that is too large is refused", ["signing/file_sizes.py"]),
    "sources/test_conformance.py": (
        "every kind of source gives the same bundle",
        [
            "sources/bundles.py",
            "sources/image_files.py",
            "sources/registries.py",
            "sources/source.py",
            "sources/stores.py",
        ],
    ),
    "files/test_laying_out.py": ("folders are packed and laid out", ["sources/file_folders.py"]),
    "target/test_audit.py": (
        "an audit goes through it",
        ["target/audit_blobs.py", "target/audit_releases.py", "target/audit_report.py", "target/audit_repositories.py"],
    ),
    "target/test_root.py": ("the half of a root that reads", ["target/root_reader.py"]),
    "patches/test_bases.py": ("an inventory is a base", ["target/stocktaking.py"]),
}
"""Modules that have no test file of their own, by the one that tests them, and why. New modules bring their own."""


TESTED_BY_SCRIPTS = {
    "bundle_results.py",
    "console.py",
    "grammar/carrying.py",
    "grammar/command.py",
    "grammar/command_line.py",
    "grammar/keeping_releases.py",
    "grammar/making_bundles.py",
    "grammar/making_lines.py",
    "grammar/reading.py",
    "grammar/registry_options.py",
    "grammar/shared_options.py",
    "grammar/using_registries.py",
    "grammar/using_roots.py",
    "inventory_results.py",
    "layer_results.py",
    "main.py",
    "registry_access.py",
    "store_results.py",
    "trust_options.py",
}
"""Modules of the command line without test files of their own: each command goes through them."""

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


def modules_of_the_command_line() -> list[str]:
    return sorted(str(path.relative_to(COMMANDS)) for path in COMMANDS.rglob("*.py") if path.name != "__init__.py")


def test_every_module_of_the_command_line_has_its_tests() -> None:
    """Commands have scripts, which tests/cli/test_scripts.py demands."""
    modules = [name for name in modules_of_the_command_line() if not name.startswith("commands/")]
    own = {name: TESTS / "cli" / f"test_{Path(name).name}" for name in modules if name not in TESTED_BY_SCRIPTS}
    assert [name for name, path in own.items() if not path.is_file()] == [], "write tests/cli/test_<module>.py"


def files_of_tests() -> list[str]:
    return sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py"))


def test_every_module_has_its_tests() -> None:
    elsewhere = {module: suite for suite, (_, tested) in TESTED_TOGETHER.items() for module in tested}
    for module in modules():
        pattern = next((pattern for pattern in CODECS if fnmatchcase(module, pattern)), "")
        suite = elsewhere.get(module, CODECS.get(pattern, ("", ""))[0])
        own = own_test(module)
        assert own.is_file() or suite, f"write tests/{own.relative_to(TESTS)}"
        assert own.is_file() or (TESTS / suite).is_file()


def test_every_exception_is_needed() -> None:
    without = [module for module in modules() if not own_test(module).is_file()]
    unused = [pattern for pattern in CODECS if not any(fnmatchcase(module, pattern) for module in without)]
    listed = [module for _, tested in TESTED_TOGETHER.values() for module in tested]
    assert unused + [module for module in listed if module not in without] == []


def test_every_test_file_is_a_modules_or_a_suite() -> None:
    for file in files_of_tests():
        path = Path(file)
        is_a_modules = (LIBRARY / path.with_name(path.name.removeprefix("test_"))).is_file()
        suites = [suite for suite in SUITES if "/" in suite or "/" not in file]
        assert is_a_modules or any(fnmatchcase(file, suite) for suite in suites), file


def test_every_medium_test_is_there() -> None:
    for listed in medium():
        file, _, name = listed.partition("::")
        assert f"\ndef {name}(" in (TESTS.parent / file).read_text(), f"{listed}: write tests/medium.txt anew"


def test_what_is_slow_is_neither_fast_nor_medium(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        marks = {mark.name for mark in item.iter_markers()}
        assert len(marks & {"fast", "medium"}) == (not marks & {"slow", "faults"}), item.nodeid


def test_nothing_imports_from_a_test_module() -> None:
    """Nor from one beside it (`from .test_x`)."""
    for path in TESTS.rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (?:tests\.[\w.]*)?\.?test_\w+", path.read_text(), re.MULTILINE)
        assert found == [], f"{path}: what tests share belongs in conftest.py or support.py"


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


def test_one_name_means_one_thing() -> None:
    """Modules of the library, and classes, have names that are not another's, whatever their package."""
    names = Counter(path.stem for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
    for root in (LIBRARY, COMMANDS):
        for path in root.rglob("*.py"):
            names.update(re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE))
    assert [name for name, count in names.items() if count > 1] == []


def test_programs_beside_the_library_import_names_that_it_has() -> None:
    """What is run by hand would otherwise break unseen."""
    for folder in ("bench", "docs", "examples", "fixtures", "fuzz", "packaging"):
        for path in sorted((TESTS.parent / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "airpatch":
                    module = importlib.import_module(str(node.module))
                    names = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                    lacking = [name for name in names if importlib.util.find_spec(f"{node.module}.{name}") is None]
                    assert lacking == [], f"{path}: {node.module}"


def blocks_without_checks() -> list[tuple[str, int]]:
    """Where Cython is told not to check indexes: files and lines."""
    found = []
    for path in sorted(LIBRARY.rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines()):
            if re.match(r"# cython: .*boundscheck=False|\s*@cython\.boundscheck\(False\)", line):
                found.append((str(path.relative_to(LIBRARY)), number))
    return found


def test_whoever_switches_bounds_checks_off_says_what_holds() -> None:
    for module, line in blocks_without_checks():
        lines = (LIBRARY / module).read_text().splitlines()[line:]
        if lines[0].startswith("#"):  # the whole module
            end = None
        else:  # a function: up to the next one
            begin = next(i for i, text in enumerate(lines) if text.lstrip().startswith("def "))
            after = (i for i, text in enumerate(lines) if i > begin and text.lstrip().startswith(("def ", "@")))
            end = next(after, None)
        assert any("# In bounds: " in text for text in lines[:end]), (
            f"{module}:{line + 1}: say why no index is out of bounds"
        )
