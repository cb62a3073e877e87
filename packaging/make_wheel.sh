#!/usr/bin/env bash
# Make a wheel: make_wheel.sh ENVIRONMENT SOURCE TARGET PLATFORM OUTDIR
#
# ENVIRONMENT is what make_environment.sh made, SOURCE a copy of the tree without compiled codecs, TARGET and PLATFORM what
# zig and wheels call the host that it is for. zig has the headers and stubs of every C library.
set -euo pipefail
environment=$(realpath "$1")
source=$(realpath "$2")
target=$3
platform=$4
out=$(realpath "$5")
python=$environment/venv/bin/python3
work=$environment/wheel-$platform
mkdir -p "$work/include/aarch64-linux-gnu"

# Debian keeps pyconfig.h apart for each architecture; with the stable ABI on 64 bits, that of this one serves both.
headers=$environment/system/root/usr/include
ln -s "$headers/x86_64-linux-gnu" "$work/include/"
ln -s "$headers/x86_64-linux-gnu/python3.11" "$work/include/aarch64-linux-gnu/"
printf '#!/bin/sh\nexec "%s" -m ziglang cc -target %s -I%s "$@"\n' "$python" "$target" "$work/include" >"$work/cc"
chmod +x "$work/cc"

cd "$source"
find . -name '*.so' -delete
CC=$work/cc LDSHARED="$work/cc -shared -s" AIRPATCH_STABLE_ABI=1 ZIG_LOCAL_CACHE_DIR=$environment/zig \
    "$python" setup.py -q bdist_wheel --plat-name "$platform" --dist-dir "$out" --bdist-dir "$work/wheel"
rm -rf build "$work"
find . -name '*.so' -delete
