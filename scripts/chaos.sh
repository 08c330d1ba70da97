#!/usr/bin/env bash
# Runs rounds of random faults against the whole system on this machine and says whether it held. The flags are those
# of crates/system-tests/src/bin/chaos.rs:
#
#   scripts/chaos.sh [--minutes N] [--rounds N] [--seed S] [--intensity low|high] [--plan]
#
#   --minutes N       go on for so many minutes (5, unless --rounds is given)
#   --rounds N        go on for so many rounds
#   --seed S          what the first round draws from, and the seeds of the others; without it a random one, which is
#                     printed first. The same seed does the same at the same times
#   --intensity HOW   low: a few faults, one after the other (the default). high: many, several at once
#   --plan            print what each round would do, and do nothing
#
# A round takes about 15 s. One that fails keeps its folder (plan.txt, failure.txt, history.jsonl, logs, Redis's
# append-only file) and prints where it is and how to play it again. Exit code 1 says that a round failed.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

check_program REDIS_SERVER "$called_in"
need_rust redis-server
cargo build --quiet --workspace --bins
exec cargo run --quiet --package system-tests --bin chaos -- "$@"
