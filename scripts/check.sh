#!/usr/bin/env bash
# Everything about the code that needs no running: format, lints, documentation, dependencies, scripts, the
# architecture's invariants, and that what the documents name exists.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

need_rust shellcheck python3

step() { say "check: $*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

step "dependencies"
if ! cargo deny --version >/dev/null 2>&1; then
  say "installing cargo-deny"
  cargo install cargo-deny --locked
fi
cargo deny --log-level warn check licenses bans sources
# The advisory database is a git repository; where it cannot be fetched this says so and goes on.
if ! cargo deny --log-level error check advisories; then
  if cargo deny fetch db >/dev/null 2>&1; then
    die "a dependency has an advisory against it"
  fi
  say "check: the advisory database cannot be fetched here, advisories were NOT checked"
fi

step "scripts"
shellcheck --external-sources scripts/*.sh .ci/run

step "architecture"
scripts/check-architecture.sh

step "documents"
python3 scripts/check-documents.py

say "all checks passed"
