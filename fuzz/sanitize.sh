#!/bin/sh
# The compiled codecs under AddressSanitizer and UndefinedBehaviorSanitizer (gcc): rebuilt in a copy of the tree, then run
# by their tests, by the vectors, and by the fuzzers for a while. Arguments go to pytest in place of the tests of codecs.
#
#     fuzz/sanitize.sh [PYTEST ARGUMENTS]        MINUTES=5 fuzz/sanitize.sh fuzzes for so long
set -eu
cd "$(dirname "$0")/.."
tree="$(mktemp -d)"
trap 'rm -rf "$tree"' EXIT
tar -c --exclude=./.venv --exclude=./build --exclude=./.git --exclude='*.so' . | tar -x -C "$tree"
cd "$tree"
AIRPATCH_SANITIZE=1 python setup.py -q build_ext --inplace --force

export PYTHONPATH="$tree:$tree/bundle:$tree/cli"
export LD_PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0  # the interpreter keeps what it has until it ends
export PYTHONMALLOC=malloc          # else buffers lie in arenas, whose borders nobody guards
if [ $# -gt 0 ]; then
    python -m pytest -q -p no:cacheprovider "$@"
    exit
fi
python -m pytest -q -p no:cacheprovider -m "not slow and not faults" \
    tests/deflate tests/delta tests/encoders tests/sketches tests/layers tests/views tests/test_vectors.py
seconds=$((60 * ${MINUTES:-1}))
for name in deltas layer_patches archive; do python -m fuzz.targets $name -max_total_time=$seconds; done
python -m fuzz.layers --seconds $seconds
