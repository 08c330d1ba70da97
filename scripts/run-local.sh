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
# One of each is enough for thousands of requests a second. Each serves on one thread: more ingresses are for more
# cores, once one is full, and more proxies for more terminals at a time.
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
    --help | -h) usage && exit 0 ;;
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

if [[ -n $redis_url ]]; then
  need_rust curl
else
  check_program REDIS_SERVER "$called_in"
  need_rust curl redis-server
fi

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
if [[ -z $redis_url ]]; then free "$redis_port" --redis-port; fi

say "building, which takes some minutes the first time"
cargo build --release --locked --target-dir target --package ingress --package proxy

names=() pids=() logs=() ingress_urls=() proxy_urls=() stopping='' failure=''

# start NAME PROGRAM ARGS...: in a session of its own, so that Ctrl-C reaches only this script and the order of
# stopping is its own; the log lines carry the name.
start() {
  local name=$1 log
  shift
  exec {log}> >(trap '' INT TERM HUP && exec sed -u "s/^/[$name] /")
  logs+=($!)
  setsid "$@" >&"$log" 2>&1 {log}>&- &
  names+=("$name")
  pids+=($!)
  exec {log}>&-
}

# check_alive: fails if something that was started here has ended, once its last words are out.
check_alive() {
  local i
  for i in "${!pids[@]}"; do
    kill -0 "${pids[i]}" 2>/dev/null && continue
    gone "${logs[i]}"
    fail "${names[i]} ended; its log above says why"
  done
}

# fail WHY: the stopping that follows logs much, so why is also its last line.
fail() {
  failure=$*
  die "$*"
}

# gone PID: waits until it is.
gone() {
  while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
}

# stop SIGNAL PREFIX: signals what was started under names with that prefix, and waits for it.
stop() {
  local i
  for i in "${!pids[@]}"; do
    [[ ${names[i]} == "$2"* ]] && kill "-$1" "${pids[i]}" 2>/dev/null
  done
  for i in "${!pids[@]}"; do
    [[ ${names[i]} == "$2"* ]] && gone "${pids[i]}" && gone "${logs[i]}"
  done
  return 0
}

# First the fronts, whose callers still need the proxies; then those; Redis last.
stop_all() {
  [[ -z $stopping && ${#pids[@]} -gt 0 ]] || return 0
  stopping=1
  # Nobody may be there to read any more, the terminal be closed: what was started is stopped all the same.
  set +e
  trap '' HUP PIPE
  trap 'stop KILL ""' INT TERM
  say "stopping: callers that wait get their answers first; Ctrl-C again stops at once"
  stop TERM ingress
  stop TERM proxy
  stop TERM redis
  say "stopped${data:+; the data stays in $data}"
  [[ -z $failure ]] || say "error: $failure"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# answers PORT: whether the Redis there is up and has loaded its data.
answers() {
  local reply='' connection
  { exec {connection}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return
  printf 'PING\r\n' >&"$connection"
  read -r -t 1 reply <&"$connection" || true
  exec {connection}>&-
  [[ $reply == +PONG* ]]
}

# ready URL: waits until the service there takes work.
ready() {
  for _ in {1..300}; do
    is_ready "$1" && return
    check_alive
    sleep 0.1
  done
  fail "$1 is not ready after 30 s; its health: $(curl --silent --noproxy '*' --max-time 1 "$1/health")"
}

if [[ -z $redis_url ]]; then
  mkdir -p "$data"
  # Two servers would spoil each other's files. Redis inherits the lock, so it holds for as long as that runs.
  exec {lock}>"$data/lock"
  flock --nonblock "$lock" || die "another Redis keeps its data in $data; choose another folder with --data"
  start redis "${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$redis_port" --dir "$data" \
    --appendonly yes --maxmemory 512mb --maxmemory-policy noeviction
  exec {lock}>&-
  until answers "$redis_port"; do
    check_alive
    sleep 0.05
  done
  redis_url=redis://127.0.0.1:$redis_port
fi
export REDIS_URL=$redis_url
# The services write to a pipe here, but it is a person who reads.
if [[ -t 1 ]]; then export LOG_FORMAT=${LOG_FORMAT:-text}; fi
for ((i = 0; i < proxies; i++)); do
  LISTEN=127.0.0.1:$((proxy_port + i)) start "proxy$((i + 1))" target/release/proxy
  proxy_urls+=("http://127.0.0.1:$((proxy_port + i))")
done
for ((i = 0; i < ingresses; i++)); do
  LISTEN=127.0.0.1:$((ingress_port + 100 * i)) start "ingress$((i + 1))" target/release/ingress
  ingress_urls+=("http://127.0.0.1:$((ingress_port + 100 * i))")
done
for url in "${proxy_urls[@]}" "${ingress_urls[@]}"; do ready "$url"; done
check_alive

ingress=${ingress_urls[0]} proxy=${proxy_urls[0]}
cat <<END

Ready, with ${TERMINALS:-5} terminals in each proxy:

  ingress    ${ingress_urls[*]}
  proxy      ${proxy_urls[*]}
  Swagger    $ingress/swagger    $proxy/swagger
  health     $ingress/health    $proxy/health
  metrics    $ingress/metrics    $proxy/metrics
  terminals  $proxy/terminals
  Redis      ${redis_url##*@}${data:+    data in $data}

Ask for a forecast, in another shell:

  curl -s $ingress/WeatherForecast/city -H 'content-type: application/json' \\
    -d '{"city": "New York", "location": "Downtown"}'

Ctrl-C stops it.

END

# Whatever ends first ends the rest.
wait -n "${pids[@]}" || true
check_alive
