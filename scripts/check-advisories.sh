#!/usr/bin/env bash
# Whether a dependency has an advisory of RustSec against it, or was yanked.
#
#   scripts/check-advisories.sh
#
# Exit code: 0 no, 1 yes, 3 it could not be found out, since the database cannot be fetched here.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

# Whatever ends this before there is an answer says nothing about advisories.
trap 'exit 3' EXIT
# shellcheck disable=SC2119 # the arguments are not for this function
need_rust
need_cargo_deny

# A database that an earlier run left behind may be old, so it counts only once it has been brought up to date. The
# index of crates.io comes along, which knows what was yanked.
if ! why=$(cargo deny --log-level error fetch db index 2>&1); then
  say "advisories were NOT checked: the database of RustSec cannot be fetched here: ${why##*$'\n'}"
  exit 3
fi
trap - EXIT
cargo deny --offline --log-level warn check advisories || die "a dependency has an advisory against it, see above"
