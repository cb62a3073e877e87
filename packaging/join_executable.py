"""Put the launcher before the folder that PyInstaller made: join_executable.py ARCHITECTURE FOLDER OUTPUT SYSTEM ZSTD.

SYSTEM is what make_system.sh made, ZSTD the folder of zstd's source. The files of that system's C library join those of
the folder, so that the executable depends on no other. Prints the packages of the system that are inside, with their
versions, one a line. Runs in a Python that has the package ziglang. Same folder, same bytes.
"""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import zstandard

INSIDE = "_internal"
"""Where PyInstaller puts everything but the program."""
LAUNCHER = Path(__file__).resolve().parent / "launcher.c"
LINKER = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
C_LIBRARY = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2"
)  # fmt: skip
STANDARD_LIBRARY = ("libpython3.11-minimal", "libpython3.11-stdlib")
"""Packages whose modules PyInstaller puts into archives."""
_LEVEL = 19
_WINDOW = 26
"""2 to this, in bytes: what two libraries have in common is found wherever it is."""
_ENTRY = struct.Struct("<IIQ")
_SIZES = struct.Struct("<QQ")


def packages(system: Path) -> dict[str, str]:
    """The names of the packages of `system`, by the names of the files that they have."""
    lists = (system / "packages").glob("*.files")
    return {Path(line).name: path.stem for path in lists for line in path.read_text().splitlines() if ".so" in line}


def all_files(architecture: str, folder: Path, system: Path) -> tuple[dict[str, Path], list[str]]:
    """The files of `folder`, those of the C library, and licences, by where they go; and the packages of `system`."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    libraries = system / "root/lib" / f"{architecture}-linux-gnu"
    c_library = {f"{INSIDE}/{name}": (libraries / name).resolve() for name in (LINKER[architecture], *C_LIBRARY)}
    package_of = packages(system)
    inside = [*c_library, *files]
    names = {*STANDARD_LIBRARY, *(package_of[name] for name in map(os.path.basename, inside) if name in package_of)}
    licences = {f"{INSIDE}/licences/{name}": _licence(system, name) for name in sorted(names)}
    return files | c_library | licences, sorted(names)


def _licence(system: Path, package: str) -> Path:
    """The copyright of a package, which may be a link into another one's folder."""
    return (system / "root/usr/share/doc" / package / "copyright").resolve(strict=True)


def packed(files: Mapping[str, Path]) -> bytes:
    """The files and symbolic links, as the launcher unpacks them."""
    content = bytearray()
    for name, path in sorted(files.items()):
        if path.is_symlink():
            mode, body = stat.S_IFLNK | 0o777, os.fsencode(path.readlink())
        else:
            mode, body = stat.S_IFREG | 0o700, path.read_bytes()
        content += _ENTRY.pack(mode, len(name), len(body)) + name.encode() + body
    parameters = zstandard.ZstdCompressionParameters.from_level(_LEVEL, window_log=_WINDOW, enable_ldm=True)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(content))
    return frame + _SIZES.pack(len(frame), len(content))


def main() -> None:
    architecture, folder, output, system, zstd = sys.argv[1:]
    files, inside = all_files(architecture, Path(folder), Path(system))
    with tempfile.TemporaryDirectory() as name:
        launcher = Path(name) / "launcher"
        words = ["-target", f"{architecture}-linux-musl", "-static", "-O2", "-s", "-ffunction-sections"]
        sources = ["-Wl,--gc-sections", f"-I{zstd}", "-Wall", "-Werror", str(LAUNCHER), f"{zstd}/zstd.c"]
        zig = [sys.executable, "-m", "ziglang", "cc"]
        subprocess.run([*zig, *words, "-o", str(launcher), *sources], check=True)
        Path(output).write_bytes(launcher.read_bytes() + packed(files))
    Path(output).chmod(0o755)
    for package in inside:
        (deb,) = (Path(system) / "packages").glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--show", "--showformat", "${Package} ${Version}\n", deb], check=True)


if __name__ == "__main__":
    main()
