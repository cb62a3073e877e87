#!/usr/bin/env bash
# Try the wheels of a release for musl: try_musl.sh OUTDIR [ENVIRONMENT]
#
# For x86-64, and for aarch64 under qemu-user, a Python with musl alone makes, signs, applies, verifies and restores bundles
# and patches of the images in fixtures/, with the wheel in OUTDIR and the wheels for musl that PyPI has of the packages that
# it needs. They must be, byte for byte, what the airpatch on the PATH makes here. Needs qemu-user, ssh-keygen, make, bzip2, and
# what make_environment.sh needs; that has made ENVIRONMENT. Takes some ten minutes of a processor, most of them for Python.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
images=$packaging/../fixtures/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

environment=${2-}
if [ -z "$environment" ]; then
    environment=$work/environment
    "$packaging/make_environment.sh" "$environment"
fi
ssh-keygen -q -t ed25519 -N '' -C release -f "$work/key"
printf 'release@example.com %s\n' "$(cut -d' ' -f1,2 "$work/key.pub")" >"$work/allowed_signers"

# $1: a folder; then the command that is airpatch
make_all() {
    mkdir "$1"
    (
        cd "$1"
        shift
        "$@" create "$images/r1" --sequence 1 -o r1.tar.zst -q
        "$@" diff --base r1.tar.zst "$images/r2" --sequence 2 -o patch.tar.zst -q
        "$@" diff --base r1.tar.zst "$images/r2" --sequence 2 --effort best -o best.tar.zst -q
        for file in *.tar.zst; do "$@" sign "$file" --key "$work/key" -q; done
        "$@" split best.tar.zst --size 64KiB --parity 1 -o parts -q
        rm parts/*.part-1-of-*
        "$@" join parts -o joined.tar.zst -q
        "$@" apply r1.tar.zst patch.tar.zst --root root --trust "$work/allowed_signers" --restore images -q
        "$@" verify root -q
        "$@" restore root -o again -q
        "$@" history root >history
        [ "$(grep -c " apply .* done " history)" = 2 ]
        rm -r root/.airpatch history # they have times
    )
}
make_all "$work/here" airpatch
for architecture in x86_64 aarch64; do
    musl=$work/$architecture
    "$packaging/make_musl.sh" "$environment" $architecture "$musl"
    python3 -m pip install -q --target "$musl/site" --only-binary :all: --no-deps --python-version 3.11 --implementation cp \
        --platform musllinux_1_2_$architecture --platform musllinux_1_1_$architecture \
        $(sed -n 's/^\([a-z0-9_-]*==[^ ]*\).*/\1/p' "$packaging/runtime-requirements.txt")
    python3 -m zipfile -e "$out"/airpatch-*musllinux_1_2_$architecture.whl "$musl/site"
    start=("$musl/root/lib/ld-musl-$architecture.so.1" --library-path "$musl/root/lib")
    if [ $architecture != "$(uname -m)" ]; then start=("qemu-$architecture" "${start[@]}"); fi
    python=(env PYTHONPATH="$musl/site" PYTHONHOME="$musl/root/usr" "${start[@]}" "$musl/root/usr/bin/python3")
    make_all "$work/made-$architecture" "${python[@]}" -m airpatch
    "${python[@]}" -c '
import obstore, airpatch.deflate.inflate as codec
assert codec.__file__.endswith(".so"), codec.__file__'
    diff -r "$work/here" "$work/made-$architecture"
    "${python[@]}" "$packaging/codec_outputs.py" >"$work/codecs-$architecture"
    [ -e "$work/codecs-here" ] || python3 "$packaging/codec_outputs.py" >"$work/codecs-here"
    diff "$work/codecs-here" "$work/codecs-$architecture"
    echo "musl, $architecture: bundles, patches, signatures and roots are those of glibc"
done
