"""Differences of programs: airpatch against HDiffPatch with the better of zstd 19 and LZMA 9 (extreme).

`python -m bench.executables FOLDER [--effort E] [--check] [--only NAME...]`. The releases come from npm and PyPI by
their ordinary clients and stay in FOLDER. HDiffPatch is PyPI's `hdiffpatch`, installed by pip; what it finds is counted
once and kept beside the releases. Times are of the processor. `--check` applies each difference.
"""

from __future__ import annotations

import argparse
import io
import lzma
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import zstandard

from airpatch.delta.covers import Members
from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.delta.tar_members import TarMember


@dataclass(frozen=True, slots=True)
class Pair:
    """Two releases of a program: `package` of npm or PyPI (then with an `architecture`), `program` is how its file's
    path within the package ends."""

    language: str
    package: str
    old: str
    new: str
    program: str
    architecture: str = ""

    @property
    def name(self) -> str:
        package = self.package.rpartition("/")[2]
        return f"{package}-{self.architecture}" if self.architecture else package


PAIRS = (
    Pair("Go", "@esbuild/linux-x64", "0.24.0", "0.24.2", "bin/esbuild"),
    Pair("Go", "lefthook-linux-x64", "2.1.15", "2.1.16", "bin/lefthook"),
    Pair("C++", "duckdb", "1.1.0", "1.1.1", ".so", "x86_64"),
    Pair("C++", "duckdb", "1.1.0", "1.1.1", ".so", "aarch64"),
    Pair("C++", "grpcio", "1.65.4", "1.65.5", ".so", "x86_64"),
    Pair("Rust", "pydantic_core", "2.23.2", "2.23.3", ".so", "x86_64"),
    Pair("Rust", "pydantic_core", "2.23.2", "2.23.3", ".so", "aarch64"),
    Pair("Rust", "@swc/core-linux-x64-gnu", "1.7.26", "1.7.28", ".node"),
)


def program(pair: Pair, version: str, folder: Path) -> bytes:
    """Return the program of a release, which is fetched if `folder` lacks it."""
    place = folder / f"{pair.name}-{version}"
    if not place.exists():
        archive = fetch(pair, version, folder)
        files: dict[str, bytes] = {}
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                files = {name: wheel.read(name) for name in wheel.namelist() if name.endswith(pair.program)}
        else:
            with tarfile.open(archive) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.name.endswith(pair.program) else None
                    if content is not None:
                        files[member.name] = content.read()
        archive.unlink()
        place.write_bytes(max(files.values(), key=len))
    return place.read_bytes()


def fetch(pair: Pair, version: str, folder: Path) -> Path:
    """Fetch the archive of a release into a folder of its own, by npm or pip."""
    into = folder / f"{pair.name}-{version}.fetched"
    into.mkdir(parents=True, exist_ok=True)
    if pair.architecture:
        platforms = [f"--platform=manylinux{kind}_{pair.architecture}" for kind in ("2014", "_2_17")]
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
                *("--python-version=3.11", *platforms, f"{pair.package}=={version}"),
            ],
            cwd=into,
            check=True,
        )
    else:
        spec = f"{pair.package}@{version}"
        subprocess.run(["npm", "pack", "--silent", spec], cwd=into, check=True, stdout=subprocess.DEVNULL)
    (archive,) = into.iterdir()
    place: Path = archive.rename(folder / archive.name)
    into.rmdir()
    return place


def whole(data: bytes) -> list[TarMember]:
    """Return `data` as the only file of a layer."""
    return [TarMember(b"program", 0, 0, len(data), len(data))]


def yardstick(pair: Pair, old: bytes, new: bytes, folder: Path) -> int:
    """Return the bytes of HDiffPatch's difference, compressed by the better of zstd 19 and LZMA 9."""
    place = folder / f"{pair.name}-{pair.old}-{pair.new}.hdiffpatch"
    if not place.exists():
        import hdiffpatch

        plain = hdiffpatch.diff(old, new, "none", validate=False)
        parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=27)
        zstd = len(zstandard.ZstdCompressor(compression_params=parameters).compress(plain))
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 27}]
        best = min(zstd, len(lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)))
        place.write_text(str(best))
    return int(place.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", default="default", choices=[effort.name.lower() for effort in Effort])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="which pairs: parts of their names")
    options = parser.parse_args()
    print(f"{'':32}{'size':>12}{'hdiffpatch':>11}{'airpatch':>10} ratio  MB/s to make, to apply")
    for pair in PAIRS:
        if options.only and not any(name in pair.name for name in options.only):
            continue
        old, new = (program(pair, version, options.folder) for version in (pair.old, pair.new))
        against = yardstick(pair, old, new, options.folder)
        start = time.process_time()
        delta = b"".join(encode(new, [old], Effort[options.effort.upper()], members=Members(whole(new), [whole(old)])))
        line = f"{len(new) / 1e6 / (time.process_time() - start):8.1f}"
        if options.check:
            start = time.process_time()
            if b"".join(decode(io.BytesIO(delta), [old], len(new))) != new:
                sys.exit(f"{pair.name}: the result differs")
            line += f"{len(new) / 1e6 / (time.process_time() - start):8.1f}"
        ratio = len(delta) / against
        print(f"{pair.language:5}{pair.name:27}{len(new):12}{against:11}{len(delta):10}{ratio:6.2f}{line}", flush=True)


if __name__ == "__main__":
    main()
