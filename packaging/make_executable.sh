#!/usr/bin/env bash
# Make an executable: make_executable.sh ENVIRONMENT ARCHITECTURE SOURCE OUTPUT. Prints the packages of Debian inside.
#
# ENVIRONMENT is what make_environment.sh made, ARCHITECTURE x86_64 or aarch64 (under qemu-user), SOURCE the folders
# bundle/ and cli/ with codecs compiled for it. PyInstaller is the builder: it is well kept, needs nothing on the host that
# builds or runs, and its licence exempts what it builds. It makes a folder; launcher.c says why it is not left to make
# one file of it. The interpreter inside, and all that PyInstaller calls, are those of make_system.sh.
set -euo pipefail
builder=$(realpath "$1/venv/bin")/python3
architecture=$2
source=$(cd "$3" && pwd)
output=$(realpath -m "$4")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1577836800 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1

./make_system.sh "$architecture" "$work/system" "$work/venv"
python=$work/venv/bin/python3
packages=$work/venv/lib/python3.11/site-packages
"$builder" -m pip install -q --no-deps --require-hashes --only-binary :all: --implementation cp --python-version 3.11 \
    --platform "manylinux_2_28_$architecture" --platform "manylinux_2_24_$architecture" \
    --platform "manylinux_2_17_$architecture" --platform "manylinux2014_$architecture" \
    --target "$packages" -r builder-requirements.txt

# The launcher unpacks with zstd's own source, as the package zstandard has it.
"$builder" -m pip download -q --no-deps --no-build-isolation --require-hashes --no-binary :all: -r source-requirements.txt -d "$work/zstd"
tar -xzf "$work"/zstd/zstandard-*.tar.gz -C "$work/zstd" --strip-components 1

# Licence texts of what is inside lie beside it, as the metadata of each package has them.
copies=$(sed -n 's/^\([a-z0-9_-]*\)==.*/--copy-metadata=\1/p' runtime-requirements.txt)
# pyeclib finds its code at run time, and stripping breaks its libraries. obstore is imported by name.
pyeclib="--hidden-import=pyeclib.ec_iface --hidden-import=pyeclib.core"
obstore="--hidden-import=obstore --hidden-import=obstore.exceptions --hidden-import=obstore.store"
for library in "$packages"/pyeclib.libs/*; do pyeclib="$pyeclib --add-binary=$library:."; done
mkdir "$work/programs"
cat >"$work/programs/strip" <<SH
#!/bin/sh
case "\$*" in *pyeclib*) exit 0 ;; esac
exec "$work/system/bin/strip" "\$@"
SH
chmod +x "$work/programs/strip"
# The package's own metadata: its version, its extras, its licence. Without setup.py, since nothing is to be compiled.
mkdir -p "$work/project/bundle" "$work/project/cli" "$work/metadata"
(cd "$source" && cp --parents pyproject.toml README.md LICENSE bundle/airpatch/encoders/libbrotli/LICENSE bundle/airpatch/encoders/libzopfli/LICENSE bundle/airpatch/encoders/libzstd/LICENSE bundle/airpatch/report/page/LICENSE \
    "$work/project")
(cd "$work/project" && "$builder" -c '
import sys
from setuptools.build_meta import prepare_metadata_for_build_wheel
prepare_metadata_for_build_wheel(sys.argv[1])' "$work/metadata" >/dev/null)
rm -rf "$work/metadata/"*.egg-info
PATH="$work/programs:$work/system/bin:$PATH" PYINSTALLER_CONFIG_DIR=$work/cache \
    PYTHONPATH="$work/metadata:$source/bundle:$source/cli" "$python" -m PyInstaller --log-level ERROR --noconfirm --onedir --strip \
    --name airpatch --distpath "$work/dist" --workpath "$work/build" --specpath "$work" \
    $copies $pyeclib $obstore --copy-metadata=airpatch \
    --add-data "$work/zstd/zstd/LICENSE:licences/zstd" --add-data "$source/LICENSE:licences/airpatch" \
    --paths "$source/bundle" --paths "$source/cli" --collect-submodules airpatch --collect-submodules airpatch_cli \
    --collect-data airpatch.report --exclude-module sqlite3 \
    --exclude-module Cython --exclude-module setuptools --exclude-module pip entry.py
if grep -o "'/\(usr\|lib\|lib64\)/[^']*\.so[^']*'" "$work/build/airpatch/Analysis-00.toc" >&2; then
    echo "make_executable.sh: PyInstaller took these libraries from this host, so they are not pinned" >&2
    exit 8
fi
"$builder" join_executable.py "$architecture" "$work/dist/airpatch" "$output" "$work/system" "$work/zstd/zstd"
