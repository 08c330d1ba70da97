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

# A heading may carry its date: "## 0.1.0 - 2026-12-01". Links that lead to files of the repository would lead nowhere
# from the page of a release, so that their words alone are kept.
notes=$(awk -v version="$1" '
  /^## / { inside = ($2 == version || $2 == "[" version "]"); next }
  inside { print }
' CHANGELOG.md | sed -E 's/\[([^]]+)\]\([^):]+\)/\1/g')
[[ $notes =~ [^[:space:]] ]] || die "CHANGELOG.md has nothing to say of $1: it needs a section '## $1 - YYYY-MM-DD'"
printf '%s\n' "$notes" | sed '/./,$!d'
