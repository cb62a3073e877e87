#!/usr/bin/env bash
# Make the environment that releases are built in: make_environment.sh FOLDER. Its Python is FOLDER/venv/bin/python3.
#
# Nothing of this host's Python is used, so that the same bytes come out wherever it runs.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(realpath -m "$1")
./make_system.sh x86_64 "$folder/system" "$folder/venv"
pip=$(echo "$folder"/system/root/usr/share/python-wheels/pip-*.whl)/pip # runs as it lies there, and installs the pinned one
"$folder/venv/bin/python3" "$pip" install -q --no-deps --require-hashes --only-binary :all: -r requirements.txt
