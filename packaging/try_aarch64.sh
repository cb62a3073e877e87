#!/usr/bin/env bash
# Try the wheel and the executable of a release for aarch64 under qemu-user: try_aarch64.sh OUTDIR [SYSTEM]
#
# Debian's Python for arm64 makes bundles, patches and roots of the images in fixtures/ with the aarch64 codecs, and the
# executable, if OUTDIR has it, does so with its own Python; they must be, byte for byte, what the airpatch on the PATH
# makes here. So must be what codec_outputs.py has codecs of zstd, zlib-ng, brotli and zopfli make, of which the images need few. Needs root,
# debootstrap, qemu-user, a kernel with binfmt_misc for the executable, which starts another one, and PyPI for the packages
# that airpatch needs. SYSTEM is one that debootstrap --arch=arm64 --foreign --include=python3 has made.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
images=$packaging/../fixtures/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

system=${2-}
if [ -z "$system" ]; then
    system=$work/system
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3 stable "$system" >"$work/log"
fi
# Without its second stage, packages are only downloaded; nothing of them needs to be configured.
for package in "$system"/var/cache/apt/archives/{python3,libpython3,libc6,libexpat,zlib1g,libssl,libffi,libgcc,libbz2,liblzma,libcrypt}*.deb; do
    dpkg-deb -x "$package" "$work/arm64"
done
[ -e "$work/arm64/lib" ] || ln -s usr/lib "$work/arm64/lib" # since Debian 13, a package of its own makes this link
python=$(ls "$work"/arm64/usr/bin/python3.*)
version=${python##*/python}
python3 -m pip install -q --target "$work/site" --only-binary :all: --no-deps --python-version "$version" --implementation cp \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_24_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 \
    $(sed -n 's/^\([a-z0-9_-]*==[^ ]*\).*/\1/p' "$packaging/runtime-requirements.txt")
python3 -m zipfile -e "$out"/airpatch-*manylinux_2_17_aarch64.whl "$work/site"

# $1: a folder; then the command that is airpatch
make_all() {
    mkdir "$1"
    (
        cd "$1"
        shift
        "$@" create "$images/r1" --sequence 1 -o r1.tar.zst -q
        "$@" diff --base r1.tar.zst "$images/r2" --sequence 2 -o patch.tar.zst -q
        "$@" diff --base r1.tar.zst "$images/r2" --sequence 2 --effort best -o best.tar.zst -q
        "$@" apply r1.tar.zst patch.tar.zst --root root --restore images -q
        rm -r root/.airpatch # it has times
    )
}
make_all "$work/here" airpatch
emulated=(env PYTHONPATH="$work/site" PYTHONHOME="$work/arm64/usr" QEMU_LD_PREFIX="$work/arm64" qemu-aarch64 "$python")
make_all "$work/there" "${emulated[@]}" -m airpatch
"${emulated[@]}" -c '
import platform, airpatch.deflate.inflate as codec
assert platform.machine() == "aarch64" and codec.__file__.endswith(".so"), codec.__file__'
diff -r "$work/here" "$work/there"
python3 "$packaging/codec_outputs.py" >"$work/codecs-here"
"${emulated[@]}" "$packaging/codec_outputs.py" >"$work/codecs-there"
diff "$work/codecs-here" "$work/codecs-there"
if [ -f "$out/airpatch-linux-aarch64" ]; then
    formats=/proc/sys/fs/binfmt_misc
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
    if ! ls $formats | grep -q aarch64; then # as Debian's package qemu-user-binfmt does
        elf='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
        mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
        printf '%s' ":airpatch-aarch64:M::$elf:$mask:$(command -v qemu-aarch64):PF" >$formats/register
        trap 'echo -1 >/proc/sys/fs/binfmt_misc/airpatch-aarch64; rm -rf "$work"' EXIT
    fi
    make_all "$work/executable" "$out/airpatch-linux-aarch64"
    diff -r "$work/here" "$work/executable"
fi
echo "aarch64: bundles, patches and roots are those of $(uname -m)"
