#!/usr/bin/env bash
# Runs all tests: unit, property, documentation, integration and system.
#
#   scripts/test.sh [FILTER...]                       arguments go to the test runner
#   REDIS_SERVER=/path/to/redis-server scripts/test.sh    against another server version
#
# Installs what the tests need and is missing. Each test starts a Redis of its own on a free port.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p'
  exit 0
fi

need_rust
if [[ -n ${REDIS_SERVER:-} ]]; then
  [[ -x $REDIS_SERVER ]] || die "REDIS_SERVER is not a program: $REDIS_SERVER"
else
  need redis-server redis-server
fi
if ! cargo nextest --version >/dev/null 2>&1; then
  say "installing cargo-nextest"
  cargo install cargo-nextest --locked
fi

# The system tests run the real binaries, and the engine's tests its examples.
cargo build --workspace --bins --examples
if [[ $# -eq 0 ]]; then
  cargo test --workspace --doc
fi
cargo nextest run --workspace "$@"
