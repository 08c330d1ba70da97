#!/usr/bin/env bash
# Whether what is checked out may be released under this tag: the tag is the version of the workspace, every file that
# names the version of our images names this one, and CHANGELOG.md has a dated section for it.
#
#   scripts/check-release.sh TAG
#
#   TAG   v0.1.0
#
# Prints the version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
[[ $# -eq 1 ]] || die "see scripts/check-release.sh --help"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[[ -n $version ]] || die "Cargo.toml has no version for the workspace"
[[ $1 == "v$version" ]] || die "the tag is $1, and the version of the workspace needs the tag v$version"

# In images of ours, and in what the Dockerfiles say of themselves.
images='redis-stream-demo/(ingress|proxy|loadtest):[0-9][A-Za-z0-9.-]*'
others=$(git grep -nEoI "$images|ARG VERSION=[0-9][A-Za-z0-9.-]*" -- 'Dockerfile*' docker-compose.yml compose k8s |
  grep -vE "[:=]${version//./\\.}\$" || true)
[[ -z $others ]] || die "these name another version than $version:"$'\n'"$others"

# In labels: of everything in k8s, since what is labelled with the version of another project has that one's image.
known=$(git grep -hoE 'image: [^ ]+:[^ ]+' -- k8s | sed -E 's/.*:v?/version: /; s/-.*//')
others=$(git grep -nE 'app\.kubernetes\.io/version: ' -- k8s | grep -vF "$known" || true)
[[ -z $others ]] || die "these labels name neither $version nor the version of an image:"$'\n'"$others"

scripts/release-notes.sh "$version" >/dev/null
grep -qE "^## \[?${version//./\\.}\]? - [0-9]{4}-[0-9]{2}-[0-9]{2}\$" CHANGELOG.md ||
  die "the section of $version in CHANGELOG.md needs its date: '## $version - YYYY-MM-DD'"
echo "$version"
