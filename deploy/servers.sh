#!/bin/sh
# See to it that the real servers which the tests start are installed.
set -eu

missing=
command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1 ||
    missing="$missing prometheus"
command -v prometheus-alertmanager >/dev/null 2>&1 || command -v alertmanager >/dev/null 2>&1 ||
    missing="$missing prometheus-alertmanager"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086 # two words are two packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests start real servers. Install them: sudo apt-get install$missing" >&2
    exit 1
fi
