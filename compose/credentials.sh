#!/bin/sh
# Makes the passwords of the Redis users, unless they are there, and from them, by compose/users.acl, the file of users.
# Runs before Redis at each start, as root, in an image that has a shell, coreutils and sed, and perhaps nothing else.
#
# Each file can be read by the one user who needs it: Redis 999, ingress and proxy 65532, the exporter 59000. Redis sees
# hashes alone, and the operator's password, which is for whoever works inside its container.
set -eu
umask 077

# put FILE UID: what comes on stdin, whole or not at all, for that user to read.
put() {
  rm -f "$1.new"
  cat >"$1.new"
  chmod 0400 "$1.new"
  chown "$2:$2" "$1.new"
  mv "$1.new" "$1"
}

# password FILE UID: 256 bits of chance, unless they are there.
password() {
  [ -s "$1" ] || od -A n -N 32 -t x1 /dev/urandom | tr -d ' \n' | put "$1" "$2"
}

# hash FILE: the words with which an ACL file names that password.
hash() {
  printf '#%s' "$(sha256sum <"$1" | cut -d ' ' -f 1)"
}

cd /credentials
password ingress/password 65532
password proxy/password 65532
password exporter/password 59000
password redis/operator 999

# The exporter wants a map. Older versions of it look for the address without the user.
secret=$(cat exporter/password)
printf '{"redis://exporter@redis:6379": "%s", "redis://redis:6379": "%s"}\n' "$secret" "$secret" |
  put exporter/passwords.json 59000

sed -e "s/>INGRESS_PASSWORD/$(hash ingress/password)/" \
  -e "s/>PROXY_PASSWORD/$(hash proxy/password)/" \
  -e "s/>EXPORTER_PASSWORD/$(hash exporter/password)/" \
  -e "s/>OPERATOR_PASSWORD/$(hash redis/operator)/" \
  /compose/users.acl | put redis/users.acl 999

echo 'the users of Redis and their passwords are in place'
