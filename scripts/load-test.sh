#!/usr/bin/env bash
# Loads the weather service and says whether it kept up: builds the load tester in release mode and runs it with the
# flags given here. Paths among them are relative to where you are. `scripts/load-test.sh --help` lists the flags,
# crates/loadtest/README.md explains them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

# 1 would say that the service failed. The working folder stays the caller's.
# shellcheck disable=SC2119 # the flags are not for this function
(cd "$root" && need_rust) || exit 2
# Two steps, so that a build shows what it does and the run does not show cargo.
cargo=(--release --locked --manifest-path "$root/Cargo.toml" --package loadtest)
cargo build "${cargo[@]}" || exit 2
exec cargo run --quiet "${cargo[@]}" -- "$@"
