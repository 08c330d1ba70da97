#!/usr/bin/env bash
# Measures both services beside what people would use in their place, on this machine: NATS request/reply, Redis
# Streams as tutorials have them, and HTTP alone. Builds everything in release mode and starts servers of its own on
# free ports. Paths are relative to where you are.
#
#   scripts/bench.sh                        everything, about 52 minutes
#   scripts/bench.sh --quick                the same with fewer and shorter rounds, about nine minutes
#   scripts/bench.sh --scenario c64,c256    some of it; docs/performance.md lists them
#   scripts/bench.sh --goals                what the goals of docs/performance.md look at
#   scripts/bench.sh --guard                whether a request got dearer, and at which step; five minutes at most
#   scripts/bench.sh --against FOLDER       ingress and proxy of another build as well, where all systems are compared
#   REDIS_SERVER=/path/to/redis-server NATS_SERVER=/path/to/nats-server scripts/bench.sh    other servers
#
# Also --threads N, how many serve in each process, and where to write: --html PATH, --json PATH; with --guard, --write
# and --bounds PATH. Prints tables and writes benchmark.html (a chart for each scenario) and benchmark.json. Exit code:
# 0 measured, 1 a request failed, something did not start, or the guard tripped, 2 wrong usage. docs/performance.md says
# how to read it.
#
# Building comes before those times: on two cores, from nothing, four minutes on a quick machine, twelve on a slow one.
# Rust has to be there; redis-server and nats-server are installed from Debian if they are missing.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
called_in=$PWD
. "$root/scripts/lib.sh"

help_or_go_on "$@"

cd "$root"
check_program REDIS_SERVER "$called_in"
check_program NATS_SERVER "$called_in"
need_rust redis-server
if [[ -z ${NATS_SERVER:-} ]]; then
  # Debian has it in a folder that only root has on its path.
  PATH=$PATH:/usr/sbin
  need nats-server
fi
build_release ingress proxy benchmarks
cd "$called_in"
exec "$built/bench" "$@"
