"""Where a module's tests stand: in `tests/<package>/test_<module>.py`, or in a suite that is named here."""

from __future__ import annotations

import ast
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

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
    "registry_api/*": "registries over HTTP: live ones, small servers and a proxy that hurts what passes",
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

TESTED_BY = {
    "__main__.py": ("cli/test_process.py", "runs the command line"),
    "archive/damage.py": ("archive/test_topped_up.py", "what is asked for of a damaged copy"),
    "archive/pack.py": ("archive/test_writer.py", "a bundle at its destination"),
    "archive/prepared.py": ("archive/test_writer.py", "the value that is written"),
    "blobs/byte_source.py": ("archive/test_frame_reader.py", "where frames are read"),
    "blobs/receiver.py": ("archive/test_reader.py", "a protocol"),
    "deflate/dynamic.py": ("deflate/test_inflate.py", "headers of dynamic blocks come out of whole streams"),
    "deflate/match_window.py": ("deflate/test_matches.py", "ranks are what matches are told by"),
    "deflate/tables.py": ("deflate/test_huffman.py", "constants of RFC 1951"),
    "destinations/forms.py": ("destinations/test_restorer.py", "a restore goes through all of them"),
    "destinations/registry_plan.py": ("registry_api/test_pushing.py", "pushes into a live registry"),
    "destinations/registry_push.py": ("registry_api/test_pushing.py", "pushes into a live registry"),
    "destinations/transfer.py": ("destinations/test_restorer.py", "a restore goes through all of them"),
    "extras.py": ("cli/test_scripts.py", "what a command says where an extra is missing"),
    "format/fields.py": ("format/test_index_encoding.py", "types of fields are refused there"),
    "format/index.py": ("format/test_index_encoding.py", "values that it encodes"),
    "format/magics.py": ("archive/test_misfits.py", "what files are told apart by"),
    "format/parts.py": ("parts/test_joined.py", "the header of a part, by the vectors"),
    "format/release_part.py": ("format/test_index_encoding.py", "a part of the encoding"),
    "format/sealed.py": ("parts/test_joined.py", "the header of a part, by the vectors"),
    "format/top_ups.py": ("archive/test_topped_up.py", "requests and top-ups, as they come and damaged"),
    "gear.py": ("delta/test_delta.py", "constants"),
    "host/facts.py": ("host/test_runtime.py", "the value that is found out"),
    "layers/decision_reader.py": ("layers/test_blob_builder.py", "every method of a layer patch reads decisions so"),
    "layers/differences.py": ("layers/test_patch_maker.py", "a patch maker makes them"),
    "layers/gzip_ways.py": ("layers/test_patch_maker.py", "a patch maker tries them"),
    "layers/ways.py": ("layers/test_patch_maker.py", "a patch maker tries them"),
    "layers/zstd_ways.py": ("layers/test_patch_maker.py", "a patch maker tries them"),
    "log.py": ("cli/test_logs.py", "what -v and -vv show"),
    "model/chosen_source.py": ("layers/test_differ.py", "a value that the differ fills"),
    "operations/apply_bundles.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/complete_copy.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/explain_patch.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/lay_out_files.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/manage_root.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/merge_bundles.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/push_images.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/send_bundle.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/serve_images.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/split_file.py": ("cli/test_scripts.py", "each operation is one command"),
    "operations/verify_content.py": ("cli/test_scripts.py", "each operation is one command"),
    "parts/gathering.py": ("parts/test_joined.py", "parts are split, found, verified and read as one file"),
    "parts/parity.py": ("parts/test_joined.py", "parts are split, found, verified and read as one file"),
    "parts/part_files.py": ("parts/test_joined.py", "parts are split, found, verified and read as one file"),
    "parts/splitting.py": ("parts/test_joined.py", "parts are split, found, verified and read as one file"),
    "patches/chains.py": ("patches/test_merging.py", "bundles that follow each other are merged"),
    "patches/completed_release.py": ("registry_api/test_pushing.py", "a base and its patches are pushed"),
    "patches/layer_patching.py": ("patches/test_images.py", "patches between whole images"),
    "patches/registry_base.py": ("registry_api/test_pushing.py", "a patch is pushed upon what a registry has"),
    "registry_api/access.py": ("registry_api/test_pulling.py", "a live registry answers as its storage does"),
    "registry_api/remote_blobs.py": ("registry_api/test_pulling.py", "a live registry answers as its storage does"),
    "report/layer_encodings.py": ("cli/test_scripts.py", "what the commands print"),
    "report/layer_patches.py": ("cli/test_scripts.py", "what the commands print"),
    "report/root_report.py": ("cli/test_scripts.py", "what the commands print"),
    "report/usage.py": ("cli/test_scripts.py", "what the commands print"),
    "signing/file_sizes.py": ("signing/test_allowed_signers.py", "a file that is too large is refused"),
    "sources/bundles.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "sources/file_folders.py": ("files/test_laying_out.py", "folders are packed and laid out"),
    "sources/image_files.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "sources/manifests.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "sources/platforms.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "sources/registries.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "sources/source.py": ("sources/test_conformance.py", "every kind of source gives the same bundle"),
    "target/audit_blobs.py": ("target/test_audit.py", "an audit goes through it"),
    "target/audit_releases.py": ("target/test_audit.py", "an audit goes through it"),
    "target/audit_report.py": ("target/test_audit.py", "an audit goes through it"),
    "target/audit_repositories.py": ("target/test_audit.py", "an audit goes through it"),
    "target/root_reader.py": ("target/test_root.py", "the half of a root that reads"),
    "target/staging.py": ("target/test_installer.py", "an apply goes through it"),
    "target/stocktaking.py": ("patches/test_bases.py", "an inventory is a base"),
    "tool/site_instructions.py": ("tool/test_executable.py", "what lies beside the bundle"),
}
"""Modules that have no test file of their own: the one that tests them, and why. New modules bring their own."""


TESTED_BY_SCRIPTS = {
    "bundle_results.py",
    "console.py",
    "grammar/carrying.py",
    "grammar/command.py",
    "grammar/command_line.py",
    "grammar/making_bundles.py",
    "grammar/reading.py",
    "grammar/registry_options.py",
    "grammar/shared_options.py",
    "grammar/using_registries.py",
    "grammar/using_roots.py",
    "inventory_results.py",
    "layer_results.py",
    "main.py",
    "registry_access.py",
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
    for module in modules():
        suite = next((suite for pattern, (suite, _) in CODECS.items() if fnmatchcase(module, pattern)), None)
        suite, _ = TESTED_BY.get(module, (suite, ""))
        own = own_test(module)
        assert own.is_file() or suite is not None, f"write tests/{own.relative_to(TESTS)}"
        assert own.is_file() or (TESTS / str(suite)).is_file()


def test_every_exception_is_needed() -> None:
    without = [module for module in modules() if not own_test(module).is_file()]
    unused = [pattern for pattern in CODECS if not any(fnmatchcase(module, pattern) for module in without)]
    assert unused + [module for module in TESTED_BY if module not in without] == []


def test_every_test_file_is_a_modules_or_a_suite() -> None:
    for file in files_of_tests():
        path = Path(file)
        is_a_modules = (LIBRARY / path.with_name(path.name.removeprefix("test_"))).is_file()
        suites = [suite for suite in SUITES if "/" in suite or "/" not in file]
        assert is_a_modules or any(fnmatchcase(file, suite) for suite in suites), file


def test_nothing_imports_from_a_test_module() -> None:
    for path in TESTS.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        found = [name for name in imported if name.startswith("tests.") and ".test_" in name]
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


def blocks_without_checks() -> list[tuple[str, int]]:
    """Where Cython is told not to check indexes: files and lines."""
    found = []
    for path in sorted(LIBRARY.rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines()):
            if re.match(r"# cython: .*boundscheck=False|\s*@cython\.boundscheck\(False\)", line):
                found.append((str(path.relative_to(LIBRARY)), number))
    return found


@pytest.mark.parametrize(("module", "line"), blocks_without_checks())
def test_whoever_switches_bounds_checks_off_says_what_holds(module: str, line: int) -> None:
    lines = (LIBRARY / module).read_text().splitlines()[line:]
    if not lines[0].startswith("#"):  # a function: up to the next one
        begin = next(i for i, text in enumerate(lines) if text.lstrip().startswith("def "))
        end = next((i for i, text in enumerate(lines) if i > begin and text.lstrip().startswith(("def ", "@"))), None)
        lines = lines[:end]
    assert any("# In bounds: " in text for text in lines), "say in one comment why no index is out of bounds"
