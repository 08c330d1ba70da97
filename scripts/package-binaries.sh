#!/usr/bin/env bash
# Packs the programs for those who want them without a container: ingress, proxy and loadtest, built in release mode for
# this machine's kind of processor.
#
#   scripts/package-binaries.sh [FOLDER]
#
#   FOLDER   where to write redis-stream-demo-VERSION-linux-PROCESSOR.tar.gz and its .sha256 (target/packages)
#
# The same commit, compiler and path of the checkout give the same bytes. Prints the path of the archive.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
[[ $# -le 1 ]] || die "see scripts/package-binaries.sh --help"
into=$PWD/target/packages
if [[ -n ${1:-} ]]; then into=$(cd "$called_in" && realpath --canonicalize-missing -- "$1"); fi

# shellcheck disable=SC2119 # the arguments are not for this function
need_rust
# As the images are built: line tables are for those who have the sources beside them.
export CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=symbols
build_release ingress proxy loadtest >&2

version=$("$built/ingress" --version)
[[ $version == ingress\ [0-9]* ]] || die "$built/ingress does not say its version, but: $version"
name=redis-stream-demo-${version##* }-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/$name"
cp "$built"/{ingress,proxy,loadtest} LICENSE README.md CHANGELOG.md "$work/$name/"
mkdir -p "$into"
cd "$into"
# Neither the time, nor who built it, nor the order of files on the disk is to change the bytes.
tar --create --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mode='u+rw,go=rX,a-s' \
  --mtime="@$(git -C "$OLDPWD" log -1 --format=%ct)" "$name" | gzip --no-name --best >"$name.tar.gz"
sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
echo "$into/$name.tar.gz"
