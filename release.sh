#!/usr/bin/env bash
# Make all that a release has in the folder OUTDIR: wheels for x86-64 and aarch64 (glibc 2.17 and musl), the executables
# airpatch-linux-x86_64 and, where qemu-user is installed, airpatch-linux-aarch64, airpatch.pyz, an SBOM (CycloneDX) and
# SHA256SUMS, which is signed where a KEY for ssh-keygen is given. Needs x86-64 Debian or Ubuntu, Debian's packages and
# PyPI; the Python that builds is not this host's. Built twice, the same bytes.
set -euo pipefail
if [ $# != 1 ] && [ $# != 2 ]; then
    echo "usage: ./release.sh OUTDIR [KEY]" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
key=${2:+$(realpath "$2")}
cd "$(dirname "$0")"
export SOURCE_DATE_EPOCH=1577836800 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
say() { printf 'release: %s\n' "$*" >&2; }

# Always at the same place, which compilers may note.
work=/tmp/airpatch-release
mkdir "$work" || { say "another release is being made, or was killed: remove $work"; exit 8; }
trap 'rm -rf "$work"' EXIT
source=$work/source

say "build tools and packages, pinned by hash in packaging/"
packaging/make_environment.sh "$work/environment"
python=$work/environment/venv/bin/python3
for version in 3.11 3.12 3.13 3.14; do
    "$python" -m pip download -q --no-deps --require-hashes --only-binary :all: --implementation cp --python-version $version \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        -r packaging/runtime-requirements.txt -d "$work/wheels"
done

# A copy, so that nothing that a developer compiled gets in.
mkdir "$source"
cp -r setup.py pyproject.toml README.md LICENSE bundle cli docs "$source"
find "$source" -name '*.py' | sed 's/py$/c/' | xargs rm -f "$source/bundle/airpatch/_cython.c"
find "$source" \( -name '*.so' -o -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# $1: the target, as zig calls it; $2: the wheel's platform
build_wheel() {
    say "wheel for $2"
    packaging/make_wheel.sh "$work/environment" "$source" "$1" "$2" "$out"
}
build_wheel aarch64-linux-gnu.2.17 manylinux_2_17_aarch64
build_wheel aarch64-linux-musl musllinux_1_2_aarch64
build_wheel x86_64-linux-musl musllinux_1_2_x86_64
build_wheel x86_64-linux-gnu.2.17 manylinux_2_17_x86_64

say "airpatch.pyz"
"$python" packaging/make_pyz.py "$out/airpatch.pyz" "$out"/airpatch-*manylinux_2_17_x86_64.whl "$work"/wheels/*.whl

# $1: the architecture
build_executable() {
    say "executable for $1"
    cp -r "$source" "$work/source-$1"
    "$python" -m zipfile -e "$out"/airpatch-*"manylinux_2_17_$1.whl" "$work/source-$1/bundle" # the codecs as the wheel has them
    packaging/make_executable.sh "$work/environment" "$1" "$work/source-$1" "$out/airpatch-linux-$1" >"$work/packages-$1"
}
build_executable x86_64
if command -v qemu-aarch64 >/dev/null; then build_executable aarch64; else say "no executable for aarch64, which needs qemu-user"; fi

say "SBOM"
"$python" -m pip install -q --no-deps --force-reinstall "$out"/airpatch-*manylinux_2_17_x86_64.whl
"$python" packaging/sbom.py "$work/packages-x86_64" $(sed -n 's/^\([a-z0-9_-]*\)==.*/\1/p' packaging/runtime-requirements.txt) >"$out/airpatch.cdx.json"

(cd "$out" && sha256sum airpatch-*.whl airpatch-linux-* airpatch.pyz airpatch.cdx.json >SHA256SUMS)
if [ -n "$key" ]; then
    rm -f "$out/SHA256SUMS.sig"
    ssh-keygen -q -Y sign -n airpatch -f "$key" "$out/SHA256SUMS"
fi
say "done: $out"
cat "$out/SHA256SUMS"
