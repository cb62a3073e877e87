#!/bin/sh
# All checks: style, types, layers, tests. Arguments go to pytest: `./check.sh -m "not slow and not faults"` takes a minute.
set -eu
cd "$(dirname "$0")"
ruff check .
ruff format --check -q .
mypy
lint-imports
exec python -m pytest -n auto --dist worksteal "$@"
