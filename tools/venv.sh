#!/usr/bin/env bash
# tools/venv.sh DIRECTORY PYTHON PIP-ARGUMENT...: a virtual environment with at least what the arguments install.
set -euo pipefail
directory=$1 python=$2
shift 2
version='import sys; print(sys.version)'
if [ "$("$directory/bin/python" -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ]; then
    rm -rf "$directory" # missing, broken, or another Python's
    "$python" -m venv "$directory"
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$directory/bin/python" -m pip install -qq 'pip>=25.1' # the first that knows --group
"$directory/bin/python" -m pip install -qq "$@" # -qq: errors only
