#!/usr/bin/env bash
# Make all that a release has in the folder OUTDIR: wheels for x86-64 and aarch64, the executable airpatch-linux-x86_64,
# an SBOM (CycloneDX) and SHA256SUMS. Needs x86-64 Debian or Ubuntu with python3-venv, python3-dev and binutils, and PyPI.
set -euo pipefail
if [ $# != 1 ]; then
    echo "usage: ./release.sh OUTDIR" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1577836800 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
say() { printf 'release: %s\n' "$*" >&2; }

say "build tools, pinned by hash in packaging/requirements.txt"
python=${PYTHON:-python3}
"$python" -m venv "$work/venv"
venv=$work/venv/bin
"$venv/pip" install -q --require-hashes --only-binary :all: -r packaging/requirements.txt

# A copy, so that nothing that a developer compiled gets in.
mkdir "$work/source"
cp -r setup.py pyproject.toml README.md LICENSE bundle cli "$work/source"
find "$work/source" -name '*.py' | sed 's/py$/c/' | xargs rm -f "$work/source/bundle/airpatch/_cython.c"
find "$work/source" \( -name '*.so' -o -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# Debian keeps pyconfig.h apart for each architecture; with the stable ABI on 64 bits, that of this one serves both.
multiarch=$("$venv/python" -c 'import sysconfig; print(sysconfig.get_path("include").replace("/include/", "/include/x86_64-linux-gnu/"))')
for architecture in x86_64 aarch64; do
    mkdir -p "$work/include/$architecture-linux-gnu"
    if [ -d "$multiarch" ]; then ln -s "$multiarch" "$work/include/$architecture-linux-gnu/"; fi
done

# $1: the architecture. zig has the headers and stubs of glibc 2.17 (2014), hence the tag manylinux_2_17.
build_wheel() {
    say "wheel for $1"
    printf '#!/bin/sh\nexec "%s" -m ziglang cc -target %s-linux-gnu.2.17 -I%s "$@"\n' "$venv/python" "$1" "$work/include" >"$work/cc-$1"
    chmod +x "$work/cc-$1"
    (
        cd "$work/source"
        find . -name '*.so' -delete
        CC="$work/cc-$1" LDSHARED="$work/cc-$1 -shared -s" AIRPATCH_STABLE_ABI=1 ZIG_LOCAL_CACHE_DIR=$work/zig \
            "$venv/python" setup.py -q bdist_wheel --plat-name "manylinux_2_17_$1" --dist-dir "$out" --bdist-dir "$work/wheel-$1"
        rm -rf build
    )
}
build_wheel x86_64
build_wheel aarch64

say "executable"
"$venv/pip" install -q --no-deps --force-reinstall "$out"/airpatch-*x86_64.whl
# Licence texts of what is inside lie beside it, as the metadata of each package has them.
packages=$(sed -n 's/^\([a-z0-9_-]*\)==.*# runtime.*/\1/p' packaging/requirements.txt)
copies=$(for package in airpatch $packages; do echo "--copy-metadata=$package"; done)
licence=$("$venv/python" -c 'import sysconfig, pathlib; print(next(p for p in (pathlib.Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", pathlib.Path("/usr/share/doc/python3/copyright")) if p.exists()))')
"$venv/pyinstaller" --log-level ERROR --noconfirm --onefile --strip --name airpatch --distpath "$work/dist" \
    --workpath "$work/build" --specpath "$work" $copies --add-data "$licence:licences/python" \
    --collect-submodules airpatch --collect-submodules airpatch_cli --exclude-module setuptools --exclude-module pip \
    packaging/entry.py
"$venv/python" packaging/join_executable.py "$work/dist/airpatch" "$out/airpatch-linux-x86_64" "$venv/python"

say "SBOM"
"$venv/python" packaging/sbom.py $packages >"$out/airpatch.cdx.json"

(cd "$out" && sha256sum airpatch-* airpatch.cdx.json >SHA256SUMS)
say "done: $out"
cat "$out/SHA256SUMS"
