# shellcheck shell=bash
# What the scripts share: words for people, and installing what is missing.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# usage: the comment at the top of the script that runs, which lies beside this file, wherever it was called.
usage() { sed -n '2,/^set /p' "$(dirname "${BASH_SOURCE[0]}")/$(basename "$0")" | sed -n 's/^# \{0,1\}//p'; }

# help_or_go_on ARGUMENT...: shows the usage and ends the script, if that is what the first argument asks for.
help_or_go_on() {
  if [[ ${1:-} == --help || ${1:-} == -h ]]; then
    usage
    exit 0
  fi
}

# need PACKAGE...: installs those Debian packages whose program is not there, all in one go.
need() {
  local package missing=() as_root=() apt output
  for package; do
    is_here "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  command -v apt-get >/dev/null || die "missing here, by their names in Debian: ${missing[*]}"
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || die "missing here; as root: apt-get update && apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  set -- install --yes --no-install-recommends "${missing[@]}"
  # A fresh image has no package lists; a stale one may name files that are gone.
  if ! "${apt[@]}" "$@" </dev/null >/dev/null 2>&1; then
    output=$({ "${apt[@]}" update && "${apt[@]}" "$@"; } </dev/null 2>&1) ||
      die "could not install ${missing[*]}:"$'\n'"$output"
  fi
}

# is_here PACKAGE: whether what it brings is there, from wherever it came.
is_here() {
  case $1 in
    gcc) command -v cc ;;
    # Debian only recommends it with gcc, which cannot link a program without it.
    libc6-dev) [[ $(cc -print-file-name=crt1.o) == /* ]] ;;
    redis-server) command -v "${REDIS_SERVER:-redis-server}" ;;
    redis-tools) command -v redis-cli ;;
    linux-perf) command -v perf ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

# need_rust PACKAGE...: what builds the project, and those packages. TLS's C parts need a compiler, all else a linker.
need_rust() {
  command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
  local oldest here
  oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  here=$(cargo --version | cut -d ' ' -f 2)
  printf '%s\n' "$oldest" "$here" | sort --version-sort --check=quiet ||
    die "Rust here is $here, the project needs $oldest or newer: https://rustup.rs"
  need gcc libc6-dev "$@"
}

need_cargo_deny() {
  cargo deny --version >/dev/null 2>&1 && return
  say "installing cargo-deny from crates.io, which takes some minutes"
  cargo install cargo-deny@0.20.2 --locked
}

# check_program NAME CALLED_IN: the variable NAME, where it is set, names a program; a path is meant from that folder.
check_program() {
  local -n program=$1
  [[ -n ${program:-} ]] || return 0
  [[ $program != */* ]] || program=$(cd "$2" && realpath --strip --canonicalize-missing -- "$program")
  if [[ -d $program ]] || ! command -v "$program" >/dev/null; then
    die "$1 is not a program: $program"
  fi
}

# is_ready URL: whether the service there takes work.
is_ready() { curl --silent --noproxy '*' --fail --max-time 1 --output /dev/null "$1/health/ready"; }

# build_release PACKAGE...: builds their programs, and leaves in `built` the folder where they are then.
build_release() {
  local package packages=() target
  for package; do packages+=(--package "$package"); done
  cargo build --release --locked --bins "${packages[@]}"
  target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  # shellcheck disable=SC2034  # for the script that asked
  built=$target/release
}

# revision: the commit of these sources, for the labels of images.
revision() { git describe --always --abbrev=40 --dirty --match '' 2>/dev/null || echo unknown; }

# python_tools NAME: installs what scripts/NAME.txt pins into target/NAME, unless that is there, and leaves in `tools`
# the folder where the programs are then. uv because pip takes three times as long; it trusts whom the system trusts.
python_tools() {
  local list=scripts/$1.txt venv=$PWD/target/$1
  tools=$venv/bin
  if cmp -s "$list" "$venv/installed.txt"; then return; fi
  say "installing the tools of $list into target/$1"
  need python3
  python3 -c 'import ensurepip' 2>/dev/null || need python3-venv
  rm -rf "$venv"
  python3 -m venv "$venv"
  # Up to the line that ends without a backslash: uv itself and its hashes.
  sed -n '/^uv==/,/[^\\]$/p' "$list" >"$venv/uv.txt"
  "$tools/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$venv/uv.txt"
  "$tools/uv" pip install --quiet --system-certs --python "$tools/python" --require-hashes --requirement "$list"
  cp "$list" "$venv/installed.txt"
}
