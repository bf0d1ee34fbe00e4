#!/bin/sh
# Make a virtual environment with a current pip: deploy/venv.sh DIRECTORY
set -eu

python=
for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "expected Python 3.11 or newer; set PYTHON to one" >&2
    exit 1
fi

# Debian ships venv without ensurepip until python3-venv is there.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $version ..."
        apt-get update -qq && apt-get install -y -qq "$version" >/dev/null
    else
        echo "expected the venv module of Python; install it: sudo apt-get install $version" >&2
        exit 1
    fi
fi

echo "Setting up $1 ..."
"$python" -m venv "$1"
"$1/bin/pip" install --quiet --upgrade pip
