#!/usr/bin/env bash
# Make a Python for musl, as distributions without glibc have one: make_musl.sh ENVIRONMENT ARCHITECTURE FOLDER
#
# ENVIRONMENT is what make_environment.sh made, ARCHITECTURE x86_64 or aarch64. In FOLDER/root are then Python 3.11, its
# library, zlib and musl. zig compiles it, with all modules inside, and links it dynamically, since wheels are to be loaded.
# musl-packages.txt pins the sources and musl, which is that of Debian 13: with the one of Debian 12, 1.2.3, older than
# Alpine's, importing cryptography's wheel ends in a segmentation fault. Needs apt, dpkg, make and bzip2.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
. "$packaging/debian.sh"
environment=$(realpath "$1")
architecture=$2
folder=$(realpath -m "$3")
case $architecture in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
*) echo "make_musl.sh: $architecture: an architecture that is not known" >&2 && exit 2 ;;
esac
mkdir -p "$folder"/{packages,source,include,lib,root/lib,root/usr/bin,root/usr/lib}

cd "$folder/packages"
use_debian "$folder/apt" $debian "deb [trusted=yes] http://deb.debian.org/debian trixie main" \
    "deb-src [trusted=yes] http://deb.debian.org/debian bookworm main"
$apt download musl
$apt source --download-only --tar-only python3.11 libffi zlib
grep "orig\|_$debian" "$packaging/musl-packages.txt" | sha256sum --check --quiet || {
    echo "make_musl.sh: Debian has not the packages that are pinned: put what it has now into packaging/musl-packages.txt" >&2
    exit 8
}
dpkg-deb --extract musl_*.deb musl
cp "musl/usr/lib/$architecture-linux-musl/libc.so" "$folder/root/lib/ld-musl-$architecture.so.1"
for archive in *.orig.tar.*; do tar -x -f "$archive" -C "$folder/source"; done

python=$environment/venv/bin/python3
zig=$(echo "$environment"/venv/lib/python3.*/site-packages/ziglang/zig)
target=$architecture-linux-musl
# Without warnings, of which a newer compiler has more for old sources. A program at a fixed address, which has a copy of
# `environ` for itself, crashes in musl's getenv.
printf '#!/bin/sh\nexec "%s" cc -target %s -w -fPIC "$@"\n' "$zig" "$target" >"$folder/cc"
chmod +x "$folder/cc"
export CC=$folder/cc AR="$zig ar" RANLIB="$zig ranlib" READELF=true ZIG_LOCAL_CACHE_DIR=$folder/zig

# $1: a folder of `source`; then words for its configure, which tells what it does only if it fails
configure() {
    mkdir "$folder/$1"
    cd "$folder/$1"
    "$folder"/source/$1-*/configure -q --host="$target" "${@:2}" >log 2>&1 || { cat log >&2; exit 8; }
}

mkdir "$folder/zlib"
cd "$folder/zlib"
"$CC" -O1 -DHAVE_UNISTD_H -c "$folder"/source/zlib-*/{adler32,compress,crc32,deflate,inffast,inflate,inftrees,trees,uncompr,zutil}.c
"$CC" -shared -s -Wl,-soname,libz.so.1 -o "$folder/root/lib/libz.so.1" ./*.o # of which pyeclib's wheel has none either
ln -s ../root/lib/libz.so.1 "$folder/lib/libz.so"
cp "$folder"/source/zlib-*/z{lib,conf}.h "$folder/include"

configure libffi --prefix="$folder" --libdir="$folder/lib" --disable-shared --disable-docs --disable-multi-os-directory \
    --disable-exec-static-tramp
make -s -j2 install >>log 2>&1 || { cat log >&2; exit 8; }

export PKG_CONFIG=false MODULE_BUILDTYPE=static ZLIB_CFLAGS=-I$folder/include ZLIB_LIBS="-L$folder/lib -lz"
# What it would find out by running programs is said; the optimisation is one that compiles fast.
configure Python --build=x86_64-linux-gnu --with-build-python="$python" --without-ensurepip --disable-test-modules \
    ac_cv_buggy_getaddrinfo=no ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no OPT="-DNDEBUG -fwrapv -O1" \
    LDFLAGS="-dynamic -pie -s"
{
    cat Modules/Setup.stdlib # all modules that it can have, but for this one
    echo '*static*'
    echo _ctypes _ctypes/{_ctypes,callbacks,callproc,stgdict,cfield}.c -DHAVE_FFI_PREP_CIF_VAR -DHAVE_FFI_PREP_CLOSURE_LOC \
        -DHAVE_FFI_CLOSURE_ALLOC "-I$folder/include" "-L$folder/lib" -lffi
} >Modules/Setup.local
make -s -j2 MULTIARCH="$target" SOABI="cpython-311-$target" python >>log 2>&1 || { cat log >&2; exit 8; }
cp python "$folder/root/usr/bin/python3"
cp -r "$folder"/source/Python-*/Lib "$folder/root/usr/lib/python3.11"
