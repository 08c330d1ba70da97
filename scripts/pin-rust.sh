#!/usr/bin/env bash
# Makes the Rust with which the Dockerfiles compile the one that is used here, by rustup: for the pipeline, whose
# machines have another one every few weeks. There is no rust-toolchain.toml: everybody would have to download that
# version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

command -v rustup >/dev/null || die "rustup is missing: https://rustup.rs"
version=$(sed -n 's/^FROM rust:\([0-9]*\.[0-9]*\.[0-9]*\)-.* AS build$/\1/p' Dockerfile.ingress)
[[ -n $version ]] || die "Dockerfile.ingress names no version of Rust"
rustup toolchain install "$version" --profile minimal --component clippy --component rustfmt --no-self-update
rustup default "$version"
say "$(cargo --version), as in Dockerfile.ingress"
