#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, as the text of its release.
#
#   scripts/release-notes.sh VERSION
#
#   VERSION   0.1.0, or Unreleased
#
# Exit code 1: the version has no section, or nothing stands in it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
[[ $# -eq 1 ]] || die "see scripts/release-notes.sh --help"

# A heading may carry its date: "## 0.1.0 - 2026-12-01". The page of a release breaks lines where the file does, so
# that an entry has to be one line; links that lead to files of the repository lead nowhere from there, and keep their
# words alone.
notes=$(awk -v version="$1" '
  function flush() { if (line != "") print line; line = "" }
  /^## / { inside = ($2 == version || $2 == "[" version "]"); next }
  !inside { next }
  /^ +[^ -]/ && line != "" { sub(/^ +/, ""); line = line " " $0; next }
  { flush() }
  /^ *- / { line = $0; next }
  { print }
  END { flush() }
' CHANGELOG.md | sed -E 's/\[([^]]+)\]\([^):]+\)/\1/g')
[[ $notes =~ [^[:space:]] ]] || die "CHANGELOG.md has nothing to say of $1: it needs a section '## $1 - YYYY-MM-DD'"
printf '%s\n' "$notes" | sed '/./,$!d'
