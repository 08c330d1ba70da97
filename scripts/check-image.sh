#!/usr/bin/env bash
# Looks at images of ours that the Docker engine here has: that each holds one program more than its base, which runs as
# nobody in particular, without rights, without a shell, and says the version that the image says.
#
#   scripts/check-image.sh IMAGE...
#
#   IMAGE   redis-stream-demo/ingress:0.1.0
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
[[ $# -gt 0 ]] || die "see scripts/check-image.sh --help"
command -v docker >/dev/null || die "docker is missing: https://docs.docker.com/engine/install/"

# The largest that a program may be: what a node has to fetch when it starts a pod of a new version.
largest=$((25 * 1024 * 1024))

failed=0 image='' container=''
fail() {
  say "$image: $*"
  failed=1
}
trap '[[ -z $container ]] || docker rm --force "$container" >/dev/null' EXIT

said() { docker image inspect --format "$1" "$image"; }

for image; do
  program=$(said '{{index .Config.Entrypoint 0}}')
  [[ $(said '{{len .Config.Entrypoint}}') == 1 && $program == /* ]] || fail "its entrypoint is not one program"
  [[ $(said '{{.Config.User}}') == 65532:65532 ]] || fail "its user is $(said '{{.Config.User}}'), not 65532:65532"
  [[ $(said '{{.Config.StopSignal}}') == SIGTERM ]] || fail "it is not stopped by SIGTERM"
  [[ $(said '{{json .Config.Healthcheck.Test}}') == "[\"CMD\",\"$program\",\"--health\"]" ]] ||
    fail "its health is not checked by $program --health"

  container=$(docker create "$image")
  size=$(docker cp "$container:$program" - | tar --extract --to-stdout | wc -c)
  [[ $size -le $largest ]] || fail "$program has $size bytes, more than $largest"
  shells=$(docker export "$container" | tar --list |
    grep -E '(^|/)s?bin/(sh|bash|dash|ash|busybox)$' | tr '\n' ' ' || true)
  [[ -z $shells ]] || fail "it has a shell: $shells"
  docker rm --force "$container" >/dev/null
  container=''

  bare=(--read-only --cap-drop ALL --security-opt no-new-privileges --network none)
  version=$(docker run --rm "${bare[@]}" "$image" --version) || fail "it does not run"
  label=$(said '{{index .Config.Labels "org.opencontainers.image.version"}}')
  [[ -n $label && ${version##* } == "$label" ]] || fail "it says that it is '$label', and its program '$version'"
  say "$image: $program has $((size / 1024)) KiB, $version"
done
exit "$failed"
