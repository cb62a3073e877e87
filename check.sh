#!/bin/sh
# All checks: style, types, layers, tests. Arguments go to pytest, e.g. `./check.sh -m "not slow and not faults"`.
set -eu
cd "$(dirname "$0")"
ruff check .
ruff format --check -q .
mypy
lint-imports
if [ "$(id -u)" != 0 ]; then
    echo "not root: the tests of faults (strace, loop devices, mounts) are left out" >&2
    set -- -m "not faults" "$@"
fi
exec python -m pytest -n auto --dist worksteal "$@"
