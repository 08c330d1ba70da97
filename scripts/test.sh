#!/usr/bin/env bash
# Runs all tests: unit, property, documentation, integration and system.
#
#   scripts/test.sh [FILTER...]                       arguments go to the test runner
#   scripts/test.sh --all [FILTER...]                 also those that take minutes. Without a FILTER then each fuzz
#                                                     target for a while, both services against their OpenAPI
#                                                     documents, ten rounds of many faults at once, and every row of
#                                                     overload
#   REDIS_SERVER=/path/to/redis-server scripts/test.sh    against another server version
#
# Installs what the tests need and is missing. Each test starts a Redis of its own on a free port.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

all='' which=()
if [[ ${1:-} == --all ]]; then
  shift
  all=1 which=(--profile all --run-ignored all)
fi

check_program REDIS_SERVER "$called_in"
need_rust redis-server
# Without it the tests that set clocks say NOT RUN, and all others run.
(need faketime) || say "going on without faketime"
if ! cargo nextest --version >/dev/null 2>&1; then
  # The newest that the oldest Rust we support can build, without its updating of itself.
  say "installing cargo-nextest from crates.io, which takes some minutes"
  cargo install cargo-nextest@0.9.128 --locked --no-default-features --features default-no-update
fi

# The system tests run the real binaries, and the engine's tests its examples.
cargo build --workspace --bins --examples
if [[ $# -eq 0 ]]; then
  cargo test --workspace --doc
fi
# Most tests wait most of the time: for a Redis, a process, a lease.
cargo nextest run --workspace --test-threads "$(($(nproc) + $(nproc) / 2))" "${which[@]}" "$@"
if [[ -n $all && $# -eq 0 ]]; then
  scripts/fuzz.sh --runs 200000
  scripts/check-openapi.sh
  scripts/chaos.sh --rounds 10 --intensity high
  # The last, since its bounds are for a machine that does nothing else.
  scripts/overload.sh --quick --html target/overload.html --json target/overload.json
fi
