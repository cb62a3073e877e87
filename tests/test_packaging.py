"""What a release is made with: everything pinned, every file there, the same bytes from the same wheels."""

from __future__ import annotations

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
from pathlib import Path

import pytest
import zstandard

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
        *(line for extra in ("registry", "serve", "parity") for line in extras[extra]),
    ]
    needed = {re.split(r"[^\w-]", line)[0] for line in shipped}
    assert needed <= set(pins("runtime-requirements.txt"))


@pytest.mark.parametrize("name", ["requirements.txt", "runtime-requirements.txt", "source-requirements.txt"])
def test_every_pin_has_a_hash(name: str) -> None:
    assert [package for package, hashes in pins(name).items() if not hashes] == []


def test_every_file_that_the_scripts_name_is_part_of_the_project() -> None:
    scripts = [PROJECT / "release.sh", *PACKAGING.glob("*.sh"), *PACKAGING.glob("*.py")]
    named = {name for script in scripts for name in re.findall(r"\b([\w-]+\.(?:c|py|txt|sh))\b", script.read_text())}
    ours = {path.name for path in PACKAGING.iterdir()}
    expected = {"launcher.c", "entry.py", "pyz_main.py", "sbom.py", "join_executable.py", "make_pyz.py"}
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


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="the executable is made on Debian")
def test_the_c_library_goes_along_with_its_licence(tmp_path: Path) -> None:
    packaging = runpy.run_path(str(PACKAGING / "join_executable.py"))
    files = packaging["all_files"](tmp_path)
    assert {f"_internal/{name}" for name in packaging["C_LIBRARY"]} < set(files)
    assert "GNU" in files["_internal/licences/libc6"].read_text()


def test_without_a_compiler_the_build_ends_at_once_with_one_line() -> None:
    """Before Cython begins, which takes minutes."""
    command = [sys.executable, "setup.py", "-q", "egg_info"]
    ended = subprocess.run(command, cwd=PROJECT, env={**os.environ, "CC": "/none"}, capture_output=True, text=True)
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
