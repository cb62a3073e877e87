#!/bin/sh
# All checks: style, types, layers, tests. Makes .venv where there is no virtual environment, and compiles what has changed.
# Arguments go to pytest: `./check.sh -m "not slow and not faults"` takes a minute.
set -eu
cd "$(dirname "$0")"
. ./environment.sh
use_environment test
ruff check .
ruff format --check -q .
mypy
lint-imports
exec python -m pytest -n auto --dist worksteal "$@"
