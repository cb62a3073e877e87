#!/usr/bin/env bash
# Make all that a release has in the folder OUTDIR: wheels for x86-64 and aarch64 (glibc 2.17 and musl), the executable
# airpatch-linux-x86_64, airpatch.pyz, an SBOM (CycloneDX) and SHA256SUMS, which is signed where a KEY for ssh-keygen is
# given. Needs x86-64 Debian or Ubuntu with python3-venv, python3-dev and binutils, and PyPI. Built twice, the same bytes.
set -euo pipefail
if [ $# != 1 ] && [ $# != 2 ]; then
    echo "usage: ./release.sh OUTDIR [KEY]" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
key=${2:+$(realpath "$2")}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1577836800 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
say() { printf 'release: %s\n' "$*" >&2; }

say "build tools and packages, pinned by hash in packaging/"
python=${PYTHON:-python3}
"$python" -m venv "$work/venv"
venv=$work/venv/bin
"$venv/pip" install -q --require-hashes --only-binary :all: -r packaging/requirements.txt
for version in 3.11 3.12 3.13 3.14; do
    "$venv/pip" download -q --no-deps --require-hashes --only-binary :all: --implementation cp --python-version $version \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        -r packaging/runtime-requirements.txt -d "$work/wheels"
done

# A copy, so that nothing that a developer compiled gets in; always at the same place, which compilers may note.
source=/tmp/airpatch-release/source
mkdir /tmp/airpatch-release || { say "another release is being made, or was killed: remove /tmp/airpatch-release"; exit 8; }
trap 'rm -rf "$work" /tmp/airpatch-release' EXIT
mkdir "$source"
cp -r setup.py pyproject.toml README.md LICENSE bundle cli docs "$source"
find "$source" -name '*.py' | sed 's/py$/c/' | xargs rm -f "$source/bundle/airpatch/_cython.c"
find "$source" \( -name '*.so' -o -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# Debian keeps pyconfig.h apart for each architecture; with the stable ABI on 64 bits, that of this one serves both.
multiarch=$("$venv/python" -c 'import sysconfig; print(sysconfig.get_path("include").replace("/include/", "/include/x86_64-linux-gnu/"))')
for architecture in x86_64 aarch64; do
    mkdir -p "/tmp/airpatch-release/include/$architecture-linux-gnu"
    if [ -d "$multiarch" ]; then ln -s "$multiarch" "/tmp/airpatch-release/include/$architecture-linux-gnu/"; fi
done

# $1: the target, as zig calls it; $2: the wheel's platform. zig has the headers and stubs of every C library.
build_wheel() {
    say "wheel for $2"
    cc=/tmp/airpatch-release/cc
    printf '#!/bin/sh\nexec "%s" -m ziglang cc -target %s -I/tmp/airpatch-release/include "$@"\n' "$venv/python" "$1" >$cc
    chmod +x $cc
    (
        cd "$source"
        find . -name '*.so' -delete
        CC=$cc LDSHARED="$cc -shared -s" AIRPATCH_STABLE_ABI=1 ZIG_LOCAL_CACHE_DIR=$work/zig \
            "$venv/python" setup.py -q bdist_wheel --plat-name "$2" --dist-dir "$out" --bdist-dir "$work/wheel-$2"
        rm -rf build
    )
}
build_wheel aarch64-linux-gnu.2.17 manylinux_2_17_aarch64
build_wheel aarch64-linux-musl musllinux_1_2_aarch64
build_wheel x86_64-linux-musl musllinux_1_2_x86_64
build_wheel x86_64-linux-gnu.2.17 manylinux_2_17_x86_64

say "airpatch.pyz"
"$venv/python" packaging/make_pyz.py "$out/airpatch.pyz" "$out"/airpatch-*manylinux_2_17_x86_64.whl "$work"/wheels/*.whl

say "executable"
"$venv/pip" install -q --no-deps --force-reinstall --target "$work/installed/bundle" "$out"/airpatch-*manylinux_2_17_x86_64.whl
cp -r "$work/installed/bundle/." "$source/bundle/" # the codecs as the wheel has them
packaging/make_executable.sh "$work/venv" "$source" "$out/airpatch-linux-x86_64" >"$work/system-packages"

say "SBOM"
"$venv/pip" install -q --no-deps --force-reinstall "$out"/airpatch-*manylinux_2_17_x86_64.whl
"$venv/python" packaging/sbom.py "$work/system-packages" $(sed -n 's/^\([a-z0-9_-]*\)==.*/\1/p' packaging/runtime-requirements.txt) >"$out/airpatch.cdx.json"

(cd "$out" && sha256sum airpatch-*.whl airpatch-linux-* airpatch.pyz airpatch.cdx.json >SHA256SUMS)
if [ -n "$key" ]; then
    rm -f "$out/SHA256SUMS.sig"
    ssh-keygen -q -Y sign -n airpatch -f "$key" "$out/SHA256SUMS"
fi
say "done: $out"
cat "$out/SHA256SUMS"
