#!/bin/sh
# All checks: style, types, layers, tests. Arguments go to pytest, e.g. `./check.sh -m "not slow and not faults"`.
set -eu
cd "$(dirname "$0")"
ruff check .
ruff format --check -q .
mypy
lint-imports
# Without arguments the tests that take a minute or two; `./check.sh -m ""` runs the slow ones and, as root, the faults too.
[ $# -gt 0 ] || set -- -m "not slow and not faults"
exec python -m pytest -n auto --dist worksteal "$@"
