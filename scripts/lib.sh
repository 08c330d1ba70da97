# shellcheck shell=bash
# What the scripts share: words for people, and installing what a fresh Debian lacks.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# need COMMAND PACKAGE: installs PACKAGE from Debian unless COMMAND is there.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  local run=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null 2>&1 || die "$1 is missing: install it with 'apt-get install $2' as root"
    run=(sudo)
  fi
  command -v apt-get >/dev/null 2>&1 || die "$1 is missing: install the package $2"
  say "installing $2"
  # A fresh image has no package lists; a stale one may name files that are gone.
  if ! "${run[@]}" apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1; then
    "${run[@]}" apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "$2" >/dev/null ||
      die "could not install $2"
  fi
}

# need_rust: what builds the project. Redis's and TLS's C parts need a compiler.
need_rust() {
  command -v cargo >/dev/null 2>&1 || die "cargo is missing: install Rust from https://rustup.rs"
  need cc gcc
}
