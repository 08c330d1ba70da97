#!/usr/bin/env bash
# Loads the weather service and says whether it kept up: builds the load tester in release mode and runs it with the
# flags given here. Paths among them are relative to where you are. `scripts/load-test.sh --help` lists the flags,
# crates/loadtest/README.md explains them.
set -euo pipefail

manifest="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/Cargo.toml"

if ! command -v cargo >/dev/null; then
  echo "load-test.sh: cargo is not on the PATH; https://rustup.rs installs it" >&2
  exit 2
fi

# Two steps, so that a build shows what it does and the run does not show cargo.
cargo build --release --manifest-path "$manifest" --package loadtest
exec cargo run --quiet --release --manifest-path "$manifest" --package loadtest -- "$@"
