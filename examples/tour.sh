#!/bin/sh
# The main job on the images in fixtures/: a full bundle to a new host, then a patch to the next release.
# Makes .venv where there is no virtual environment.
set -eu
cd "$(dirname "$0")/.."
. ./environment.sh
use_environment run
images=fixtures/images
work=${1:-build/tour}
rm -rf "$work"
mkdir -p "$work"

run() { printf '\n$ %s\n' "$*"; "$@"; }

run airpatch create $images/r1 -o "$work/shop-r1.tar.zst"
run airpatch apply "$work/shop-r1.tar.zst" --root "$work/registry"
run airpatch restore "$work/registry" -o "$work/r1"
run diff -r $images/r1 "$work/r1"

run airpatch diff --base "$work/shop-r1.tar.zst" $images/r2 -o "$work/shop-r1-r2.tar.zst"
run airpatch inspect "$work/shop-r1-r2.tar.zst"
run airpatch apply "$work/shop-r1-r2.tar.zst" --root "$work/registry" --restore "$work/r2"
run diff -r $images/r2 "$work/r2"
run airpatch verify "$work/registry"

printf '\nEvery file of both releases came back as it was. All of it lies in %s.\n' "$work"
