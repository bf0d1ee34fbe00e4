#!/bin/sh
# The one script for people and CI: everything that must hold before a change lands.
# deploy/check.sh [lint]
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin

step() { printf '\n== %s\n' "$1"; }

step "format"
"$bin/ruff" format --check .
step "lint"
"$bin/ruff" check .
step "types"
"$bin/mypy"
step "import directions"
"$bin/lint-imports"
step "generated files are fresh"
for part in rules alertmanager dashboards runbooks k8s docs; do
    "$bin/surge-exporter" render "$part" --check
done
[ "${1:-all}" = lint ] && exit 0

step "wheel, with its runtime dependencies alone"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/pip" wheel --quiet --no-deps --wheel-dir "$work" .
"$bin/python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "$work"/*.whl
(cd "$work" && venv/bin/surge-exporter simulate --history 12 --duration 0 --no-wait &&
    venv/bin/surge-exporter report --json >/dev/null)

step "tests"
# A proof that can't be made fails; whoever runs pytest alone is told that it was skipped.
export SURGE_ALL_SERVERS=1
"$bin/pytest" -n 2 --dist loadgroup --cov --cov-report=term
