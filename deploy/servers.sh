#!/bin/sh
# See to it that the real servers and tools which the tests start are installed.
# deploy/servers.sh [list]    list: print the programs, one a line, and do nothing
set -eu

# Debian's package, then the programs that tests start of it; of a|b either will do.
# tests/unit/test_servers.py says if a test starts one that isn't here.
packages='
prometheus prometheus promtool
prometheus-alertmanager prometheus-alertmanager|alertmanager amtool
victoria-metrics victoria-metrics vmalert
nodejs node
npm npm
'

has() { # a|b
    for name in $(echo "$1" | tr '|' ' '); do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

missing() { # packages|programs: which of them
    echo "$packages" | while read -r package programs; do
        lacks=
        for program in $programs; do
            has "$program" || lacks="$lacks $program"
        done
        [ -z "$lacks" ] && continue
        if [ "$1" = packages ]; then printf ' %s' "$package"; else printf '%s' "$lacks"; fi
    done
}

if [ "${1:-}" = list ]; then
    echo "$packages" | while read -r _ programs; do
        for program in $programs; do echo "$program" | tr '|' '\n'; done
    done
    exit 0
fi

wanted=$(missing packages)
[ -z "$wanted" ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests start$(missing programs), which isn't installed: sudo apt-get install$wanted" >&2
    exit 1
fi
echo "Installing$wanted ..."
apt-get update -qq
# shellcheck disable=SC2086 # each word is a package
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
lacking=$(missing programs)
if [ -n "$lacking" ]; then
    echo "Installed$wanted, and there is still no$lacking" >&2
    exit 1
fi
