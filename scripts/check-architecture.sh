#!/usr/bin/env bash
# The invariants of ARCHITECTURE.md that a command can check.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

failed=0
fail() {
  say "architecture: $*"
  failed=1
}

# depends CRATE ON: whether CRATE pulls in ON, tests aside.
depends() {
  [[ $(cargo tree --quiet --package "$1" --edges normal --prefix none --format '{p}') =~ (^|$'\n')"$2 v" ]]
}

# spelled PATTERN ALLOWED... : the Rust sources outside tests and comments in which PATTERN occurs, ALLOWED left out.
# The properties that the fuzz targets share with the tests are tests.
spelled() {
  local pattern=$1 exclude=(':!crates/*/src/properties.rs')
  shift
  for path in "$@"; do exclude+=(":!$path"); done
  git grep -nE "$pattern" -- 'crates/*/src/*.rs' ':!crates/testbed' ':!crates/loadtest' "${exclude[@]}" |
    grep -vE '^[^:]+:[0-9]+: *//' || true
}

depends common redis && fail "common must not know Redis"
for http in hyper axum reqwest tower-http; do
  depends streams "$http" && fail "streams must not know HTTP, but depends on $http"
done
for ours in common service streams ingress proxy; do
  depends loadtest "$ours" && fail "loadtest must depend on no crate of ours, but depends on $ours"
done
depends proxy ingress && fail "the services must not know each other"
depends ingress proxy && fail "the services must not know each other"

hits=$(git grep -niE 'weather|temperature' -- 'crates/streams/src/*.rs' | grep -vE '^[^:]+:[0-9]+: *//' || true)
[[ -z $hits ]] || fail "streams must not know weather:"$'\n'"$hits"

hits=$(git grep -nE '(use redis|redis::)' -- 'crates/*/src/*.rs' ':!crates/streams/src/wire' ':!crates/testbed' |
  grep -vE '^[^:]+:[0-9]+: *//' || true)
[[ -z $hits ]] || fail "only crates/streams/src/wire knows the redis crate:"$'\n'"$hits"

# Scripts are among them: what they call is a matter of the group. XINFO STREAM asks for no group, and the observer
# looks at how many entries are pending without touching them.
sent='(cmd\("|call\(.)'
group='XREADGROUP|XCLAIM|XAUTOCLAIM|XACK|XACKDEL|XNACK|XGROUP|XINFO|XSETID'
group+='|EVAL|EVAL_RO|EVALSHA|EVALSHA_RO|SCRIPT|FCALL|FUNCTION'
hits=$(spelled "$sent($group)\\b|Script::new" crates/streams/src/wire/group | grep -vF 'XINFO").arg("STREAM")' || true)
hits+=$(spelled "${sent}XPENDING\\b" crates/streams/src/wire/group crates/streams/src/wire/observe.rs)
[[ -z $hits ]] || fail "only wire/group issues the consumer group's commands:"$'\n'"$hits"

# The system tests look at the keys from outside, by the names that operators see.
hits=$(spelled '":(dead|workers)|-(requests|responses)"' crates/streams/src/keys.rs crates/service/src/settings \
  crates/system-tests)
[[ -z $hits ]] || fail "only keys.rs builds a Redis key:"$'\n'"$hits"

hits=$(git grep -nE 'StatusCode::' -- 'crates/ingress/src/*.rs' ':!crates/ingress/src/error.rs' |
  grep -vE '^[^:]+:[0-9]+: *//|StatusCode::OK' || true)
[[ -z $hits ]] || fail "only ingress/src/error.rs turns an error into a status code:"$'\n'"$hits"

hits=$(spelled '(^|\s)static (mut |[A-Z_]+: .*(Mutex|RwLock|Atomic|Once|Lazy|Cell))')
[[ -z $hits ]] || fail "there is no process-wide state:"$'\n'"$hits"

hits=$(spelled 'unbounded_channel|mpsc::unbounded|channel::unbounded')
[[ -z $hits ]] || fail "every queue has a bound:"$'\n'"$hits"

hits=$(git ls-files 'crates/*.rs' | grep -E '/(utils?|helpers?|managers?|misc)(\.rs|/)' || true)
[[ -z $hits ]] || fail "a name that says nothing:"$'\n'"$hits"

while read -r lines file; do
  [[ $lines -le 500 ]] || fail "$file has $lines lines; a file owns one idea"
done < <(git ls-files 'crates/*.rs' | xargs wc -l | grep -v ' total$' | awk '{print $1, $2}')

while read -r lines file; do
  [[ $lines -le 40 ]] || fail "$file has $lines lines; the main of a binary and an example fit in 40"
done < <(git ls-files 'crates/streams/examples/*.rs' 'crates/ingress/src/main.rs' 'crates/proxy/src/main.rs' |
  xargs wc -l | grep -v ' total$' | awk '{print $1, $2}')

# In characters, whatever the locale of whoever runs this. rustfmt wraps code at 100, and no comment or text.
hits=$(git ls-files '*.rs' '*.sh' '*.toml' .ci/run | LC_ALL=C.UTF-8 xargs grep -nHE '^.{121,}' | cut -c 1-160 || true)
[[ -z $hits ]] || fail "a line has at most 120 characters:"$'\n'"$hits"

exit $failed
