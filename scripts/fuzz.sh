#!/usr/bin/env bash
# Fuzzes the decoders of bytes from outside: each gets millions of inputs, mutated so that they reach new code, and
# must keep its properties (crates/*/src/properties.rs) and a bound on its memory.
#
#   scripts/fuzz.sh [--runs N] [--minimise] [TARGET...]
#
#   --runs N      inputs for each target (10000000)
#   --minimise    afterwards choose anew what fuzz/corpus keeps: those inputs that together reach the most code, at
#                 most 99
#   TARGET        request_json, request_envelope, reply_envelope, stream_entry, answer, info, redis_url, settings,
#                 traceparent, prefer, content_type, open_meteo; all of them unless given
#
# It runs on stable Rust, one target after the other on one core, at low priority. An input that breaks a property is
# kept in fuzz/artifacts: mend the fault, move the input to fuzz/regressions/TARGET under a name that says what it is,
# and the tests run it from then on. Installs cargo-fuzz and a C++ compiler where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

runs=10000000 minimise='' targets=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --runs)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--runs needs a number, not ${2:-nothing}"
      runs=$2
      shift
      ;;
    --minimise) minimise=1 ;;
    -*) die "unknown option $1; see scripts/fuzz.sh --help" ;;
    *)
      [[ -f fuzz/fuzz_targets/$1.rs ]] || die "there is no target $1; see scripts/fuzz.sh --help"
      targets+=("$1")
      ;;
  esac
  shift
done
if [[ ${#targets[@]} -eq 0 ]]; then
  for source in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$source" .rs)"); done
fi

need_rust g++
if ! cargo fuzz --version >/dev/null 2>&1; then
  say "installing cargo-fuzz"
  cargo install cargo-fuzz --locked
fi

# What all inputs of a target are made from: what is kept, and what earlier runs on this machine found.
grown=target/fuzz/corpus
folders() { printf '%s\n' "$grown/$1" "fuzz/regressions/$1" "fuzz/corpus/$1"; }

dictionary() {
  case $1 in
    request_envelope | reply_envelope | stream_entry) echo envelope ;;
    traceparent | prefer | content_type) echo headers ;;
    *) echo "$1" ;;
  esac
}

# longest TARGET: in bytes. A header or a setting has few; heads of envelopes are to be too long at times.
longest() {
  case $1 in
    redis_url | settings | traceparent | prefer | content_type) echo 256 ;;
    *) echo 4096 ;;
  esac
}

# fuzz TARGET FOLDER... -- OPTION...: no sanitizer, since those need a nightly compiler and the code has no `unsafe`.
fuzz() {
  nice -n 10 cargo fuzz run --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz "$@"
}

for target in "${targets[@]}"; do
  mkdir -p "$grown/$target" "fuzz/corpus/$target"
  mapfile -t inputs < <(folders "$target")
  say "fuzzing $target: $runs inputs"
  log=target/fuzz/$target.log
  broken=''
  fuzz "$target" "${inputs[@]}" -- -runs="$runs" -max_len="$(longest "$target")" -timeout=5 -rss_limit_mb=1024 \
    -dict="fuzz/dictionaries/$(dictionary "$target").dict" -print_final_stats=1 >"$log" 2>&1 || broken=1
  grep -aE '^stat::(number_of_executed_units|average_exec|peak_rss)|panicked|artifact|Base64' "$log" || true
  [[ -z $broken ]] || die "$target is broken, or cannot be built: see $log"

  if [[ -n $minimise ]]; then
    chosen=$(mktemp -d)
    log=target/fuzz/$target.merge.log
    fuzz "$target" "$chosen" "${inputs[@]}" -- -set_cover_merge=1 -use_counters=0 >"$log" 2>&1 ||
      die "$target cannot be minimised: see $log"
    rm -rf "fuzz/corpus/$target"
    mkdir -p "fuzz/corpus/$target"
    # The merge writes them in the order of how much each adds.
    find "$chosen" -type f -printf '%T@ %p\n' | sort -n | cut -d' ' -f2- | head -99 |
      xargs -r mv -t "fuzz/corpus/$target"
    rm -rf "$chosen"
    say "fuzz/corpus/$target keeps $(find "fuzz/corpus/$target" -type f | wc -l) inputs"
  fi
done
