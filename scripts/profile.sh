#!/usr/bin/env bash
# Shows where the processor time of a request goes: both services and a Redis of their own, callers who ask again at
# once, no processing time. Prints what a request costs in ingress, Redis and proxy; the commands that Redis carried out
# for it, by INFO commandstats; and, by perf, the system calls of each process, how much is the kernel's, and which
# functions cost most.
#
#   scripts/profile.sh                        64 callers, 10 seconds
#   CALLERS=256 DURATION=30 scripts/profile.sh
#   GRAPH=1 scripts/profile.sh                also each function with all that it calls, by call graph
#   REDIS_SERVER=/path/to/redis-server scripts/profile.sh
#
# The machine should have nothing else to do. Needs root, or a kernel.perf_event_paranoid below 2.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"
callers=${CALLERS:-64} duration=${DURATION:-10}
for number in "$callers" "$duration"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || die "CALLERS and DURATION are whole numbers from 1 on, not $number"
done
check_program REDIS_SERVER "$called_in"
need_rust redis-server redis-tools linux-perf curl
build_release ingress proxy loadtest

folder=$(mktemp -d)
names=(redis ingress proxy)
declare -A pid=() before=()
trap 'kill "${pid[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
# Below those that the kernel gives to connections.
port=$((20000 + RANDOM % 10000))
export REDIS_URL=redis://127.0.0.1:$port
"${REDIS_SERVER:-redis-server}" --port "$port" --save '' --dir "$folder" >"$folder/redis.log" &
pid[redis]=$!
LISTEN=127.0.0.1:$((port + 1)) "$built/ingress" >"$folder/ingress.log" &
pid[ingress]=$!
LISTEN=127.0.0.1:$((port + 2)) TERMINALS=256 PROCESSING_TIME=0ms "$built/proxy" >"$folder/proxy.log" &
pid[proxy]=$!

# load SECONDS: leaves in `requests` how many were answered.
load() {
  "$built/loadtest" --url "http://127.0.0.1:$((port + 1))" --concurrency "$callers" --duration "$1s" \
    >"$folder/load.txt" || die "requests failed:"$'\n'"$(cat "$folder/load.txt" "$folder"/*.log)"
  requests=$(sed -n 's/^ *Requests *\([0-9,]*\) succeeded.*/\1/p' "$folder/load.txt" | tr -d ,)
}

calls=$(printf ',syscalls:sys_enter_%s' recvfrom sendto read write writev epoll_wait epoll_ctl futex)
calls=${calls#,}

# ticks NAME: its processor time, in hundredths of a second.
ticks() { sed 's/.*) //' "/proc/${pid[$1]}/stat" | awk '{ print $12 + $13 }'; }

for _ in {1..100}; do
  if is_ready "http://127.0.0.1:$((port + 1))"; then break; fi
  sleep 0.1
done
load 2

redis-cli -p "$port" config resetstat >/dev/null
for name in "${names[@]}"; do before[$name]=$(ticks "$name"); done
counters=()
for name in "${names[@]}"; do
  perf stat --field-separator , --event "$calls" --pid "${pid[$name]}" --output "$folder/$name.calls" \
    2>"$folder/perf.log" &
  counters+=($!)
done
load "$duration"
# They print what they counted.
kill -INT "${counters[@]}" 2>/dev/null || true
wait "${counters[@]}" || true
printf '\n%s callers, %s s: %s requests\n' "$callers" "$duration" "$requests"
printf '\nmicroseconds of processor time per request\n'
for name in "${names[@]}"; do
  awk -v name="$name" -v ticks=$(($(ticks "$name") - before[$name])) -v requests="$requests" \
    'BEGIN { printf "  %-10s %5.1f\n", name, ticks * 10000 / requests }'
done
printf '\nsystem calls per request\n'
for name in "${names[@]}"; do
  [[ -s $folder/$name.calls ]] || die "perf: $(cat "$folder/perf.log")"
  awk -F , -v name="$name" -v requests="$requests" '
    $3 ~ /^syscalls/ && $1 / requests >= 0.005 {
      sub(".*_enter_", "", $3)
      all = all sprintf(" %s %.2f", $3, $1 / requests)
    }
    END { printf "  %-10s%s\n", name, all }' "$folder/$name.calls"
done
printf '\nRedis, per request: commands, microseconds inside them\n'
redis-cli -p "$port" info commandstats | tr -d '\r' | awk -F '[_:=,]' -v requests="$requests" \
  '$1 == "cmdstat" { printf "  %-12s %5.2f %6.2f\n", $2, $4 / requests, $6 / requests }' | sort -rnk 3 | awk 'NR <= 8'

# Recording costs as well, so that it is for shares alone.
recorders=() how=(--freq 2000)
# Copies of stacks are large, and taking them apart is slow.
[[ -z ${GRAPH:-} ]] || how=(--freq 500 --call-graph "dwarf,4096")
for name in "${names[@]}"; do
  perf record --quiet --event cpu-clock "${how[@]}" --pid "${pid[$name]}" --output "$folder/$name.perf" \
    -- sleep "$duration" 2>"$folder/perf.log" &
  recorders+=($!)
done
load $((duration + 1))
wait "${recorders[@]}" || die "perf: $(cat "$folder/perf.log")"
# report NAME PART [OPTION]: the shares of what is PART of that process, the largest first.
report() {
  perf report --input "$folder/$1.perf" --stdio "${3:---no-children}" --call-graph none --sort "$2" 2>/dev/null |
    sed -n '/^ *[0-9]/s/[ -]*$//p'
}
for name in "${names[@]}"; do
  kernel=$(report "$name" dso | awk '/kernel/ { print $1 }')
  printf '\n%s: in the kernel %s, functions\n' "$name" "$kernel"
  report "$name" symbol | awk 'NR <= 10' | cut -c 1-110
  [[ -n ${GRAPH:-} ]] || continue
  printf '\n%s: with what they call, alone\n' "$name"
  report "$name" symbol --children | grep -v '(inlined)' | awk 'NR <= 60' | cut -c 1-160
done
