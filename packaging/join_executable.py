"""Put the launcher before the folder that PyInstaller made: join_executable.py FOLDER OUTPUT PYTHON-WITH-ZIG ZSTD.

ZSTD is the folder of zstd's source. The files of this system's C library join those of the folder, so that the
executable depends on no other. Prints the packages of this system that are inside, with their versions, one a line.
Same folder, same bytes.
"""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import zstandard

INSIDE = "_internal"
"""Where PyInstaller puts everything but the program."""
LAUNCHER = Path(__file__).resolve().parent / "launcher.c"
C_LIBRARY = (
    "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1",
    "libresolv.so.2",
)  # fmt: skip
_LEVEL = 19
_WINDOW = 26
"""2 to this, in bytes: what two libraries have in common is found wherever it is."""
_ENTRY = struct.Struct("<IIQ")
_SIZES = struct.Struct("<QQ")


def system_libraries() -> Path:
    """The folder of this system's C library, with which this Python runs."""
    maps = Path("/proc/self/maps").read_text().split()
    return Path(next(word for word in maps if word.endswith("/libc.so.6"))).parent


def packages_of(libraries: Iterable[Path]) -> list[str]:
    """The packages of this system that `libraries` are from."""
    paths = {str(path) for library in libraries for path in (library, library.resolve())}
    paths |= {path.removeprefix("/usr") for path in paths}  # older packages have /lib, which is a link to /usr/lib
    found = subprocess.run(["dpkg", "-S", *sorted(paths)], check=False, capture_output=True, text=True).stdout
    return sorted({line.split(":")[0] for line in found.splitlines()})


def all_files(folder: Path) -> dict[str, Path]:
    """The files of `folder`, those of the C library, and the licences of this system's packages, by where they go."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    system = system_libraries()
    c_library = {f"{INSIDE}/{name}": (system / name).resolve() for name in C_LIBRARY}
    found = [system / path.name for path in (folder / INSIDE).glob("lib*.so*") if (system / path.name).exists()]
    packages = packages_of([*c_library.values(), *found])
    licences = {f"{INSIDE}/licences/{name}": Path("/usr/share/doc", name, "copyright").resolve() for name in packages}
    for name in packages:
        subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", name], check=True)
    return files | c_library | licences


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
    folder, output, python, zstd = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        launcher = Path(name) / "launcher"
        words = ["-target", "x86_64-linux-musl", "-static", "-O2", "-s", "-ffunction-sections", "-Wl,--gc-sections"]
        sources = [f"-I{zstd}", "-Wall", "-Werror", str(LAUNCHER), f"{zstd}/zstd.c"]
        subprocess.run([python, "-m", "ziglang", "cc", *words, "-o", str(launcher), *sources], check=True)
        Path(output).write_bytes(launcher.read_bytes() + packed(all_files(Path(folder))))
    Path(output).chmod(0o755)


if __name__ == "__main__":
    main()
