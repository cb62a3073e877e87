#!/usr/bin/env bash
# Make the executable for x86-64: make_executable.sh VENV SOURCE OUTPUT. Prints the packages of this system that are inside.
#
# VENV has what packaging/requirements.txt pins, SOURCE the folders bundle/ and cli/ with compiled codecs. PyInstaller is
# the builder: it is well kept, needs nothing on the host that builds or runs, and its licence exempts what it builds. It
# makes a folder; launcher.c says why it is not left to make one file of it.
set -euo pipefail
venv=$(cd "$1/bin" && pwd)
source=$(cd "$2" && pwd)
output=$(realpath -m "$3")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1577836800 PYTHONHASHSEED=0

# The launcher unpacks with zstd's own source, as the package zstandard has it.
"$venv/pip" download -q --no-deps --no-build-isolation --require-hashes --no-binary :all: -r source-requirements.txt -d "$work/zstd"
tar -xzf "$work"/zstd/zstandard-*.tar.gz -C "$work/zstd" --strip-components 1

# Licence texts of what is inside lie beside it, as the metadata of each package has them.
copies=$(sed -n 's/^\([a-z0-9_-]*\)==.*/--copy-metadata=\1/p' runtime-requirements.txt)
licence=$("$venv/python" -c 'import sysconfig, pathlib; print(next(p for p in (pathlib.Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", pathlib.Path("/usr/share/doc/python3/copyright")) if p.exists()))')
# pyeclib finds its code at run time, and stripping breaks its libraries.
packages=$("$venv/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
pyeclib="--hidden-import=pyeclib.ec_iface --hidden-import=pyeclib.core"
for library in "$packages"/pyeclib.libs/*; do pyeclib="$pyeclib --add-binary=$library:."; done
mkdir "$work/programs"
cat >"$work/programs/strip" <<SH
#!/bin/sh
case "\$*" in *pyeclib*) exit 0 ;; esac
exec $(command -v strip) "\$@"
SH
chmod +x "$work/programs/strip"
# The package's own metadata: its version, its extras, its licence. Without setup.py, since nothing is to be compiled.
mkdir -p "$work/project/bundle" "$work/project/cli" "$work/metadata"
cp "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$work/project"
(cd "$work/project" && "$venv/python" -c '
import sys
from setuptools.build_meta import prepare_metadata_for_build_wheel
prepare_metadata_for_build_wheel(sys.argv[1])' "$work/metadata" >/dev/null)
rm -rf "$work/metadata/"*.egg-info
PATH="$work/programs:$PATH" PYINSTALLER_CONFIG_DIR=$work/cache \
    PYTHONPATH="$work/metadata:$source/bundle:$source/cli" "$venv/pyinstaller" --log-level ERROR --noconfirm --onedir --strip \
    --name airpatch --distpath "$work/dist" --workpath "$work/build" --specpath "$work" \
    $copies $pyeclib --copy-metadata=airpatch --add-data "$licence:licences/python" \
    --add-data "$work/zstd/zstd/LICENSE:licences/zstd" --add-data "$source/LICENSE:licences/airpatch" \
    --paths "$source/bundle" --paths "$source/cli" --collect-submodules airpatch --collect-submodules airpatch_cli \
    --exclude-module Cython --exclude-module setuptools --exclude-module pip entry.py
"$venv/python" join_executable.py "$work/dist/airpatch" "$output" "$venv/python" "$work/zstd/zstd"
