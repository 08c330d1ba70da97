#!/usr/bin/env bash
# Floods the whole system on this machine and says whether it kept its bounds: builds both services and the program
# in release mode, starts Redis, ingresses and proxies on free ports, finds their capacity, and walks from half of it to
# twenty times that. Paths are relative to where you are.
#
#   scripts/overload.sh                  every row, about eight minutes
#   scripts/overload.sh --quick          the same rows, shorter: about four minutes, coarser figures
#   scripts/overload.sh --regimes processors --html page.html --json figures.json
#
# Writes overload.html (a chart for each row) and overload.json. Exit code: 0 passed, 1 failed, 2 wrong usage, 3 it
# could not be found out.
# RESILIENCE.md says what the rows and bounds are.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
called_in=$PWD
. "$root/scripts/lib.sh"

help_or_go_on "$@"

cd "$root"
# Whatever ends this before the program runs says nothing about bounds.
trap 'exit 3' EXIT
check_program REDIS_SERVER "$called_in"
need_rust redis-server
build_release ingress proxy system-tests
cd "$called_in"
exec "$built/overload" "$@"
