#!/usr/bin/env bash
# Holds both services against the OpenAPI documents that they serve: a validator reads the documents, then schemathesis
# sends thousands of requests made from them, well-formed and not, with every check it has and no exclusion.
#
#   scripts/check-openapi.sh [--examples N] [--seed S]
#
#   --examples N   random requests for each operation (3000), beside those at the bounds of each schema
#   --seed S       what the random requests are made from (1)
#
# Starts a Redis (REDIS_SERVER if that is set), a proxy and an ingress of its own on free ports, and stops them at the
# end. Installs what is missing; the Python tools go into target/.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh
root=$PWD

examples=3000 seed=1
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --examples | --seed)
      [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 needs a number, not ${2:-nothing}"
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    *) die "unknown option $1; see scripts/check-openapi.sh --help" ;;
  esac
done

check_program REDIS_SERVER "$called_in"
need_rust redis-server curl python3
tools=$root/target/openapi
if [[ ! -x $tools/bin/schemathesis ]]; then
  say "installing schemathesis and openapi-spec-validator into $tools"
  python3 -c 'import ensurepip' 2>/dev/null || need python3-venv
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5 openapi-spec-validator==0.9.0
fi

say "building"
cargo build --quiet --target-dir target --package ingress --package proxy

work=$(mktemp -d) pids=()
stop() {
  # In the order of their start: callers first, Redis last.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Three ports that nobody has at this moment.
mapfile -t ports < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(socket.getsockname()[1] for socket in sockets), sep="\n")')
redis=${ports[0]} proxy=http://127.0.0.1:${ports[1]} ingress=http://127.0.0.1:${ports[2]}

# start NAME PROGRAM ARGS...
start() {
  "${@:2}" >"$work/$1.log" 2>&1 &
  pids+=($!)
}

# ready URL NAME
ready() {
  for _ in $(seq 300); do
    is_ready "$1" && return
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/$2.log" >&2
  die "the $2 is not ready"
}

# service NAME URL SETTING=VALUE...: with these settings and none of whoever calls this.
service() {
  start "$1" env -i PATH="$PATH" LISTEN="${2#http://}" REDIS_URL="redis://127.0.0.1:$redis" "${@:3}" "target/debug/$1"
  ready "$2" "$1"
}

start redis "${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$redis" --dir "$work" --save '' --appendonly no
service proxy "$proxy" PROCESSING_TIME=0ms
service ingress "$ingress"

failed=''
for service in ingress proxy; do
  document=${!service}/swagger/v1/swagger.json
  say "validating the document of the $service"
  curl --silent --fail "$document" >"$work/$service.json"
  "$tools/bin/openapi-spec-validator" "$work/$service.json" || failed=1
  say "testing the $service against its document"
  # Where it runs it leaves what it found, for `schemathesis replay`.
  (cd "$work" && "$tools/bin/schemathesis" run "$document" --checks all --mode all \
    --phases examples,coverage,fuzzing,stateful --max-examples "$examples" --seed "$seed" --generation-database none \
    --max-response-time 5 --request-timeout 10 --continue-on-failure \
    --report junit,ndjson --report-dir "$root/target/openapi-reports/$service") || failed=1
done
[[ -z $failed ]] || die "the services and their documents differ; seed $seed shows it again"
