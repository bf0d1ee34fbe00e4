#!/bin/sh
# See to it that the real servers and tools which the tests start are installed.
set -eu

missing=
command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1 ||
    missing="$missing prometheus"
command -v prometheus-alertmanager >/dev/null 2>&1 || command -v alertmanager >/dev/null 2>&1 ||
    missing="$missing prometheus-alertmanager"
command -v victoria-metrics >/dev/null 2>&1 || missing="$missing victoria-metrics"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086 # each word is a package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests start real servers and tools. Install them: sudo apt-get install$missing" >&2
    exit 1
fi
