#!/usr/bin/env bash
# Takes the server out of an official image of Redis or Valkey and makes it a program that runs here, so that all tests
# can run against that version:
#
#   scripts/server-from-image.sh IMAGE [FOLDER]
#   REDIS_SERVER=$(scripts/server-from-image.sh valkey/valkey:8.1) scripts/test.sh
#
#   IMAGE     one with the C library of GNU: redis:7.2 or valkey/valkey:8.1, and not redis:7.2-alpine
#   FOLDER    where to put it (target/servers)
#
# Prints the path of the program. It starts with the image's own loader and libraries, since those here may be older
# than what it was built for. What was taken once is not taken again: delete its folder for a newer image of the name.
# Needs docker, and nothing else.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
[[ $# -eq 1 || $# -eq 2 ]] || die "see scripts/server-from-image.sh --help"
[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9./:@_-]*$ ]] || die "not the name of an image: $1"
image=$1
into=$PWD/target/servers
if [[ -n ${2:-} ]]; then into=$(cd "$called_in" && realpath --canonicalize-missing -- "$2"); fi

root=$into/${image//[\/:@]/-}
program=$root/server
if [[ -x $program ]]; then
  echo "$program"
  exit
fi

command -v docker >/dev/null || die "docker is missing: https://docs.docker.com/engine/install/"
say "taking the server out of $image"
part=$root.part
rm -rf "$part"
mkdir -p "$part/image"
container=''
trap '[[ -z $container ]] || docker rm --force "$container" >/dev/null; rm -rf "$part"' EXIT
container=$(docker create "$image") || die "there is no container of $image to be had; above is why"
# Device files and what belongs to others cannot be made by everybody, and are not needed.
docker export "$container" |
  tar --extract --directory "$part/image" --no-same-owner --exclude='dev/*' --exclude='usr/share/*' --exclude='var/*'

# resolved PATH: what it means inside the image, as a path inside the image, since links there lead to places there.
resolved() {
  local path=$1 target
  for _ in {1..10}; do
    # A folder on the way may be a link as well: in Debian /lib is.
    path=/$(realpath --no-symlinks --relative-to="$part/image" "$part/image$path")
    [[ -L $part/image$path ]] || break
    target=$(readlink "$part/image$path")
    [[ $target == /* ]] || target=$(dirname "$path")/$target
    path=$target
  done
  echo "$path"
}

server=''
for candidate in /usr/local/bin/{redis,valkey}-server /usr/bin/{redis,valkey}-server; do
  if [[ -e $part/image$candidate || -L $part/image$candidate ]]; then
    # What it is called by decides what the program does: it checks files as well.
    server=$(resolved "$candidate") name=$(basename "$candidate")
    break
  fi
done
[[ -n $server && -f $part/image$server ]] || die "$image has no redis-server and no valkey-server where others have it"

# In the order in which the loader itself looks.
libraries=() loader=''
for folder in /usr/local/lib /lib/*-linux-gnu /usr/lib/*-linux-gnu /lib64 /lib /usr/lib; do
  for found in "$part/image"$folder; do
    [[ -d $found ]] && libraries+=("${found#"$part/image"}")
  done
done
for folder in "${libraries[@]}"; do
  for found in "$part/image$folder"/ld-linux*.so.*; do
    [[ -z $loader && -e $found ]] && loader=$(resolved "${found#"$part/image"}")
  done
done
[[ -n $loader ]] || die "$image has no GNU C library; take one that is built on Debian"

path=''
for folder in "${libraries[@]}"; do path+=${path:+:}$root/image$folder; done
cat >"$part/server" <<END
#!/bin/sh
exec '$root/image$loader' --argv0 $name --library-path '$path' '$root/image$server' "\$@"
END
chmod +x "$part/server"
rm -rf "$root"
mv "$part" "$root"
if ! version=$("$program" --version); then
  rm -rf "$root"
  die "the server of $image does not start here; above is why"
fi
say "$version"
echo "$program"
