#!/bin/sh
# All checks: style, types, layers, tests, branch coverage. Makes .venv where there is no virtual environment, and compiles
# what has changed. Arguments go to pytest, and coverage is not measured then: `./check.sh -m fast` takes a minute.
set -eu
cd "$(dirname "$0")"
. ./environment.sh
use_environment test
ruff check .
ruff format --check -q .
mypy
lint-imports
# Each run has temporary folders of its own: in the shared ones, what other runs left may not be removable.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
run_tests() { python -m pytest -n auto --dist worksteal --basetemp="$(mktemp -d -u -p "$scratch")" "$@"; }
if [ $# -gt 0 ]; then
    run_tests "$@"
else
    # Fast and medium tests alone are measured: tracing makes Python half as fast, and slow ones run tools and kernels.
    failed=0
    run_tests -m "not slow and not faults" --cov --cov-report=term || failed=1
    python -m tests.coverage_floors || failed=1
    # Property tests once more, with five times as many examples.
    run_tests -m "slow or faults or hypothesis" --hypothesis-profile=thorough || failed=1
    exit $failed
fi
