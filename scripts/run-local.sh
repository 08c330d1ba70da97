#!/usr/bin/env bash
# Runs the whole system on this machine: a Redis, the proxies and the ingresses, until Ctrl-C.
#
#   scripts/run-local.sh [--proxies N] [--ingresses N] [--redis-url URL] [--redis-port P]
#                        [--ingress-port P] [--proxy-port P] [--data FOLDER]
#
#   --proxies N        so many proxies, on the proxy port and those after it (1)
#   --ingresses N      so many ingresses, on the ingress port and every hundredth after it (1)
#   --redis-url URL    use this Redis and start none
#   --redis-port P     port of the Redis that is started (6380)
#   --ingress-port P   port of the first ingress (5009)
#   --proxy-port P     port of the first proxy (5010)
#   --data FOLDER      where that Redis keeps its data (data/redis in the repository)
#
# Other settings of the services are taken from the environment: PROCESSING_TIME=0ms scripts/run-local.sh
# Ctrl-C drains and stops what was started here, and nothing else; a second one stops it at once.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

proxies=1 ingresses=1 redis_url='' redis_port='' ingress_port=5009 proxy_port=5010 data=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p' && exit 0 ;;
    --proxies | --ingresses | --redis-url | --redis-port | --ingress-port | --proxy-port | --data)
      [[ -n ${2:-} ]] || die "$1 needs a value"
      name=${1#--}
      case $name in
        redis-url | data) ;;
        *) [[ $2 =~ ^[1-9][0-9]{0,4}$ && $2 -le 65535 ]] || die "$1 needs a number from 1 to 65535, not $2" ;;
      esac
      # A folder is meant from where the caller stands.
      [[ $name == data && $2 != /* ]] && set -- "$1" "$called_in/$2" "${@:3}"
      printf -v "${name//-/_}" '%s' "$2"
      shift 2
      ;;
    *) die "unknown option $1; see scripts/run-local.sh --help" ;;
  esac
done

if [[ -n $redis_url ]]; then
  [[ -z $data$redis_port ]] || die "--redis-url starts no Redis: leave --data and --redis-port out"
else
  redis_port=${redis_port:-6380}
  data=$(realpath -m -- "${data:-data/redis}")
  # A password for another Redis would be refused by this one, which has none.
  unset REDIS_USERNAME REDIS_PASSWORD REDIS_PASSWORD_FILE REDIS_CA_FILE
fi
# One address cannot serve several processes.
unset ADMIN_LISTEN

need_rust
need curl curl

# free PORT FLAG: nobody listens there, and no other part of this is to.
declare -A ours=()
free() {
  [[ $1 -le 65535 ]] || die "port $1 does not exist; choose a lower one with $2"
  [[ -z ${ours[$1]:-} ]] || die "port $1 is wanted for ${ours[$1]} and $2; choose another with $2"
  ours[$1]=$2
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    die "port $1 is taken; choose another with $2"
  fi
}
for ((i = 0; i < ingresses; i++)); do free $((ingress_port + 100 * i)) --ingress-port; done
for ((i = 0; i < proxies; i++)); do free $((proxy_port + i)) --proxy-port; done
if [[ -z $redis_url ]]; then
  need "${REDIS_SERVER:-redis-server}" redis-server
  free "$redis_port" --redis-port
fi

say "building"
cargo build --release --locked --quiet --package ingress --package proxy

names=() pids=() fronts=() stopping=''

# start NAME PROGRAM ARGS...: in a session of its own, so that Ctrl-C reaches only this script and the order of
# stopping is its own; the log lines carry the name.
start() {
  local name=$1
  shift
  setsid "$@" > >(trap '' INT TERM && exec sed -u "s/^/[$name] /") 2>&1 &
  names+=("$name")
  pids+=($!)
}

# stop SIGNAL PREFIX: signals what was started under names with that prefix, and waits for it.
stop() {
  local i
  for i in "${!pids[@]}"; do
    [[ ${names[i]} == "$2"* ]] && kill "-$1" "${pids[i]}" 2>/dev/null
  done
  for i in "${!pids[@]}"; do
    while [[ ${names[i]} == "$2"* ]] && kill -0 "${pids[i]}" 2>/dev/null; do sleep 0.05; done
  done
  return 0
}

# First the fronts, whose callers still need the proxies; then those; Redis last.
stop_all() {
  [[ -z $stopping ]] || return 0
  stopping=1
  trap 'stop KILL ""' INT TERM
  say "stopping: callers that wait get their answers first; Ctrl-C again stops at once"
  stop TERM ingress
  stop TERM proxy
  stop TERM redis
  say "stopped"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ready NAME URL: waits until the service there takes work.
ready() {
  for _ in $(seq 300); do
    curl --silent --fail --max-time 1 --output /dev/null "$2/health/ready" && return
    kill -0 "${pids[-1]}" 2>/dev/null || die "$1 ended; its log above says why"
    sleep 0.1
  done
  die "$1 is not ready after 30 s; see $2/health"
}

if [[ -z $redis_url ]]; then
  mkdir -p "$data"
  start redis "${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$redis_port" --dir "$data" \
    --appendonly yes --maxmemory 512mb --maxmemory-policy noeviction
  redis_url=redis://127.0.0.1:$redis_port
fi
export REDIS_URL=$redis_url
# The services write to a pipe here, but it is a person who reads.
if [[ -t 1 ]]; then export LOG_FORMAT=${LOG_FORMAT:-text}; fi
for ((i = 0; i < proxies; i++)); do
  LISTEN=127.0.0.1:$((proxy_port + i)) start "proxy$((i + 1))" target/release/proxy
  fronts+=("http://127.0.0.1:$((proxy_port + i))")
done
for ((i = 0; i < ingresses; i++)); do
  LISTEN=127.0.0.1:$((ingress_port + 100 * i)) start "ingress$((i + 1))" target/release/ingress
  fronts+=("http://127.0.0.1:$((ingress_port + 100 * i))")
done
for front in "${fronts[@]}"; do ready "the service at $front" "$front"; done

ingress=http://127.0.0.1:$ingress_port proxy=http://127.0.0.1:$proxy_port
cat <<END

Ready: $ingresses ingress, $proxies proxy (5 terminals each unless TERMINALS says otherwise)

  ask        curl -s -H 'content-type: application/json' -d '{"city": "New York", "location": "Downtown"}' $ingress/WeatherForecast/city
  Swagger    $ingress/swagger    $proxy/swagger
  health     $ingress/health    $proxy/health
  metrics    $ingress/metrics    $proxy/metrics
  terminals  $proxy/terminals
  Redis      ${redis_url##*@}${data:+    data in $data}

Ctrl-C stops it.

END

# Whatever ends first ends the rest.
wait -n -p ended "${pids[@]}" || true
for i in "${!pids[@]}"; do
  [[ ${pids[i]} == "${ended:-}" ]] && die "${names[i]} ended; its log above says why"
done
