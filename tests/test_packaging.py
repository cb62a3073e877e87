"""What a release is made with: everything pinned, every file there, the same bytes from the same wheels."""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import shutil
import stat
import struct
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from airpatch.deflate import inflate

PROJECT = Path(__file__).resolve().parents[1]
PACKAGING = PROJECT / "packaging"
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, int]:
    """The packages that a file of requirements pins, with the number of hashes that each has."""
    text = (PACKAGING / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and line[0] not in "#-"]
    return {line.split("==")[0]: line.count("--hash=sha256:") for line in lines}


def test_all_that_airpatch_needs_is_pinned() -> None:
    extras = PROJECT_TABLE["optional-dependencies"]
    shipped = [
        *PROJECT_TABLE["dependencies"],
        *(line for extra in ("registry", "serve", "parity", "store") for line in extras[extra]),
    ]
    needed = {re.split(r"[^\w-]", line)[0] for line in shipped}
    assert needed <= set(pins("runtime-requirements.txt"))


@pytest.mark.parametrize(
    "name", ["requirements.txt", "builder-requirements.txt", "runtime-requirements.txt", "source-requirements.txt"]
)
def test_every_pin_has_a_hash(name: str) -> None:
    assert [package for package, hashes in pins(name).items() if not hashes] == []


def test_every_package_of_the_system_inside_is_pinned_for_both_architectures() -> None:
    lines = (PACKAGING / "system-packages.txt").read_text().splitlines()
    pinned = [re.fullmatch(r"(\S+) \S+ (amd64|arm64) [0-9a-f]{64}", line) for line in lines if line[0] != "#"]
    names: dict[str, set[str]] = {"amd64": set(), "arm64": set()}
    for match in pinned:
        assert match is not None
        names[match[2]].add(match[1])
    assert {"libc6", "libssl3", "libpython3.11", "libpython3.11-stdlib"} <= names["amd64"]
    assert {name.replace("x86-64", "aarch64") for name in names["amd64"]} == names["arm64"]


@pytest.fixture
def pinned_system(tmp_path: Path) -> Callable[[str | None], subprocess.CompletedProcess[str]]:
    """Make a system of one package, which is pinned by a sum (None: by its own), out of an apt that has it here."""
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    control = "Package: libc6\nVersion: 1\nArchitecture: amd64\nMaintainer: us <us@example>\nDescription: a test\n"
    (tmp_path / "tree/DEBIAN/control").write_text(control)
    package = tmp_path / "libc6_1_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tmp_path / "tree", package], check=True)
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\ncase "$*" in *libc6=1) cp {package} . ;; *=*) exit 100 ;; esac\n')
    (tmp_path / "apt-get").chmod(0o755)
    for name in ("make_system.sh", "debian.sh"):
        shutil.copy(PACKAGING / name, tmp_path)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def make(sum_: str | None, version: str = "1") -> subprocess.CompletedProcess[str]:
        sum_ = sum_ or hashlib.sha256(package.read_bytes()).hexdigest()
        (tmp_path / "system-packages.txt").write_text(f"libc6 {version} amd64 {sum_}\n")
        command: list[str | Path] = [tmp_path / "make_system.sh", "x86_64", tmp_path / "system"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return make


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="the executable is made on Debian")
def test_a_package_that_is_not_the_pinned_one_ends_the_build(
    pinned_system: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    assert pinned_system(None).returncode == 0
    assert (tmp_path / "system/root/usr/bin/python3").exists()
    other = pinned_system("0" * 64)
    assert other.returncode == 8
    assert "libc6 is not the package that is pinned" in other.stderr
    gone = pinned_system(None, version="0")
    assert gone.returncode == 8
    assert "make_system.sh --pin" in gone.stderr


def test_every_file_that_the_scripts_name_is_part_of_the_project() -> None:
    scripts = [PROJECT / "release.sh", *PACKAGING.glob("*.sh"), *PACKAGING.glob("*.py")]
    named = {name for script in scripts for name in re.findall(r"\b([\w-]+\.(?:c|py|txt|sh))\b", script.read_text())}
    ours = {path.name for path in PACKAGING.iterdir()}
    expected = {
        "launcher.c",
        "entry.py",
        "pyz_main.py",
        "sbom.py",
        "join_executable.py",
        "make_pyz.py",
        "make_system.sh",
    }
    assert expected <= named & ours
    ignored = subprocess.run(["git", "check-ignore", *PACKAGING.iterdir()], cwd=PROJECT, capture_output=True, text=True)
    assert [line for line in ignored.stdout.splitlines() if "__pycache__" not in line] == []


def wheel(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_the_archive_is_the_same_when_it_is_made_again(tmp_path: Path) -> None:
    wheels = [
        wheel(tmp_path / "pure-1-py3-none-any.whl", pure=b"1"),
        wheel(tmp_path / "stable-1-cp311-abi3-manylinux_2_17_x86_64.whl", stable=b"2"),
        wheel(tmp_path / "own-1-cp312-cp312-manylinux_2_17_x86_64.whl", own=b"3"),
    ]
    made = []
    for order in (wheels, wheels[::-1]):
        output = tmp_path / "airpatch.pyz"
        subprocess.run([sys.executable, PACKAGING / "make_pyz.py", output, *order], check=True)
        made.append(output.read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "airpatch.pyz") as archive:
        assert sorted(archive.namelist()) == ["__main__.py", "any/pure", "any/stable", "cp312/own"]


def test_a_folder_that_permits_no_execution_is_known(tmp_path: Path) -> None:
    permits = runpy.run_path(str(PACKAGING / "pyz_main.py"))["permits_execution"]
    assert permits(str(tmp_path))
    assert not permits(str(tmp_path / "none"))
    assert not permits("/proc")


def test_the_launcher_is_given_every_file_and_link(tmp_path: Path) -> None:
    packaging = runpy.run_path(str(PACKAGING / "join_executable.py"))
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("a")
    files = {f"_internal/{name}": tmp_path / name for name in ("link", "empty", "a")}
    made = packaging["packed"](files)
    assert made == packaging["packed"](dict(sorted(files.items())))
    frame, size = struct.unpack("<QQ", made[-16:])
    assert frame == len(made) - 16
    content = zstandard.decompress(made[:-16], max_output_size=size)
    found = {}
    while content:
        mode, name, size = struct.unpack_from("<IIQ", content)
        content = content[16:]
        found[content[:name].decode()] = stat.S_ISLNK(mode), content[name : name + size]
        content = content[name + size :]
    assert found == {
        "_internal/a": (False, b"content"), "_internal/empty": (False, b""), "_internal/link": (True, b"a")
    }  # fmt: skip


def test_the_c_library_goes_along_with_its_licence(tmp_path: Path) -> None:
    packaging = runpy.run_path(str(PACKAGING / "join_executable.py"))
    system, folder = tmp_path / "system", tmp_path / "folder"
    files = {"libc6": packaging["C_LIBRARY"], "libz": ["libz.so.1"], "binutils": ["libbfd.so.2"]}
    for name in (*files, *packaging["STANDARD_LIBRARY"]):
        (system / "packages").mkdir(parents=True, exist_ok=True)
        lines = "".join(f"./lib/aarch64-linux-gnu/{file}\n" for file in files.get(name, ()))
        (system / "packages" / f"{name}.files").write_text(lines)
        (system / "root/usr/share/doc" / name).mkdir(parents=True)
        (system / "root/usr/share/doc" / name / "copyright").write_text(f"licence of {name}")
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal/libz.so.1").touch()
    found, names = packaging["all_files"]("aarch64", folder, system)
    assert names == ["libc6", *packaging["STANDARD_LIBRARY"], "libz"]
    assert {f"_internal/{name}" for name in (*packaging["C_LIBRARY"], "ld-linux-aarch64.so.1", "libz.so.1")} < set(
        found
    )
    assert found["_internal/licences/libc6"].read_text() == "licence of libc6"


@pytest.mark.skipif(not inflate.__file__.endswith(".so"), reason="the codecs would be translated first")
def test_a_wheel_has_modules_and_declarations_and_no_sources_in_c(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path / "lib"]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    files = [path for path in (tmp_path / "lib").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".py", ".pxd", ".typed", ".html", ".css", ".js", ""}
    assert {path.name for path in files if not path.suffix} == {"LICENSE"}
    assert {path.parent.name for path in files if path.suffix == ".typed"} == {"airpatch", "airpatch_cli"}


def test_licences_of_sources_that_are_compiled_into_the_codecs_go_along() -> None:
    ours = subprocess.run(["git", "ls-files", "bundle"], cwd=PROJECT, capture_output=True, text=True).stdout.split()
    assert {path for path in ours if Path(path).name == "LICENSE"} <= set(PROJECT_TABLE["license-files"])


def test_the_bill_of_materials_has_whatever_has_a_licence_of_its_own() -> None:
    found = [(each["name"], each["version"]) for each in runpy.run_path(str(PACKAGING / "sbom.py"))["vendored"]()]
    names = {name for name, _ in found}
    assert {("zstd", "1.5.6"), ("zstd", "1.5.7"), ("brotli", "1.2.1"), ("zopfli", "1.0.3")} < set(found)
    assert {"d3-hierarchy", "d3-path", "d3-shape"} < names
    folders = {Path(path).parent.name for path in PROJECT_TABLE["license-files"]} - {""}
    assert folders == {"libzstd", "libbrotli", "libzopfli", "page"}


def test_without_a_compiler_the_build_ends_at_once_with_one_line(tmp_path: Path) -> None:
    """Before Cython begins, which takes minutes."""
    shutil.copytree(PROJECT / "bundle", tmp_path / "bundle", ignore=shutil.ignore_patterns("*.so"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    command: list[str | Path] = [sys.executable, "setup.py", "-q", "build_ext"]
    ended = subprocess.run(command, cwd=tmp_path, env={**os.environ, "CC": "/none"}, capture_output=True, text=True)
    [line] = (ended.stdout + ended.stderr).strip().splitlines()
    assert ended.returncode == 1
    assert line.startswith("airpatch: the codecs cannot be compiled: ")
    assert "apt-get install gcc" in line


@pytest.mark.parametrize("before", [None, "/opt/lib"])
def test_programs_of_the_host_do_not_get_the_libraries_of_the_executable(before: str | None) -> None:
    script = (
        "import os, runpy, sys\n"
        "sys.argv = ['airpatch', '--version']\n"
        "try:\n"
        "    runpy.run_path(os.environ['ENTRY'])\n"
        "except SystemExit:\n"
        "    print(os.environ.get('LD_LIBRARY_PATH'), os.environ.get('LD_LIBRARY_PATH_ORIG'))\n"
    )
    environment = {**os.environ, "ENTRY": str(PACKAGING / "entry.py"), "LD_LIBRARY_PATH": "/tmp/airpatch-x/_internal"}
    environment.update({} if before is None else {"LD_LIBRARY_PATH_ORIG": before})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{before} None"
