#!/usr/bin/env bash
# Holds the dashboards and the recording rules against a system that runs: each query of each panel has to return data.
#
#   scripts/check-dashboards.sh [--keep]
#
#   --keep    leave the logs, and say where they are
#
# Starts Redis, its exporter, two proxies, two ingresses and Prometheus on free ports, with the scrape configuration and
# the rules of the cluster; sends load and causes faults for a minute and a half; asks Prometheus; stops all of it.
# Takes the programs of Debian unless REDIS_SERVER, PROMETHEUS (promtool beside it) or REDIS_EXPORTER names another.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

keep=()
case ${1:-} in
  --help | -h) usage && exit 0 ;;
  --keep) keep=(--keep) ;;
  '') ;;
  *) die "unknown option $1; see scripts/check-dashboards.sh --help" ;;
esac

# program VARIABLE PACKAGE: leaves in the variable the path of what it names, or of the package's program.
program() {
  check_program "$1" "$called_in"
  [[ -n ${!1:-} ]] || need "$2"
  printf -v "$1" '%s' "$(command -v "${!1:-$2}")"
}

check_program REDIS_SERVER "$called_in"
need_rust redis-server python3
program PROMETHEUS prometheus
program REDIS_EXPORTER prometheus-redis-exporter
python3 -c 'import yaml' 2>/dev/null || need python3-yaml

say "building"
cargo build --quiet --target-dir target --package ingress --package proxy --package loadtest

exec python3 scripts/check-dashboards.py "${keep[@]}" --programs target/debug \
  --redis-server "${REDIS_SERVER:-redis-server}" --prometheus "$PROMETHEUS" --redis-exporter "$REDIS_EXPORTER"
