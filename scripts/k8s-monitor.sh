#!/usr/bin/env bash
# Shows what goes on in the cluster: pods, autoscalers, the backlog, terminals, dead letters, recent warnings.
#
#   scripts/k8s-monitor.sh [--watch [SECONDS]] [--context NAME]
#
#   --watch SECONDS   again every so many seconds (5), until Ctrl-C
#   --context NAME    which cluster, by its name in the kubeconfig (the current one)
#
# Redis is asked from inside its pod, as the user `operator`, whose password stays there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/kubernetes.sh

every=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --watch)
      every=5
      if [[ ${2:-} =~ ^[0-9]+$ ]]; then
        [[ $2 -ge 1 ]] || die "--watch needs a second at least"
        every=$2
        shift
      fi
      ;;
    --context) take_choice "$1" "${2:-}" && shift ;;
    *) die "unknown option $1; see scripts/k8s-monitor.sh --help" ;;
  esac
  shift
done
need_kubectl
need_cluster

# queue: what Redis knows, in words.
queue() {
  # shellcheck disable=SC2016  # for the shell in there
  in_cluster exec --namespace redis-stream-demo redis-0 --container redis -- sh -c '
    ask() { redis-cli --user operator "$@"; }
    REDISCLI_AUTH=$(cat /run/secrets/operator/password)
    export REDISCLI_AUTH
    ask time | head -n 1 | sed "s/^/now /"
    ask xlen weather-requests | sed "s/^/outstanding /"
    ask xpending weather-requests weather-proxies | head -n 1 | sed "s/^/pending /"
    ask xlen weather-requests:dead | sed "s/^/dead /"
    ask xrange weather-requests - + count 1 | head -n 1 | sed "s/^/oldest /"
    ask hgetall weather-requests:workers | sed "s/^/worker /"
  ' >"$scratch/asked" 2>&1 || true
  awk '
    $1 == "now" && $2 ~ /^[0-9]+$/ { now = $2 }
    $1 == "outstanding" { outstanding = $2 }
    # No number before the first proxy came: there is no group.
    $1 == "pending" && $2 ~ /^[0-9]+$/ { pending = $2 }
    $1 == "dead" { dead = $2 }
    $1 == "oldest" && split($2, id, "-") == 2 { oldest = id[1] }
    # A name, and below it: time in milliseconds, terminals, hold, served. Who was silent for ten seconds is gone.
    $1 == "worker" && NF >= 5 && $2 / 1000 > now - 11 { proxies++; terminals += $3 }
    END {
      if (now == "") exit 1
      age = oldest == "" ? 0 : now - oldest / 1000
      printf "  backlog            %d\n", outstanding - pending
      printf "  oldest             %d s\n", age < 0 ? 0 : age
      printf "  terminals at work  %d of %d, in %d proxies\n", pending, terminals, proxies
      printf "  dead letters       %d\n", dead
    }' "$scratch/asked" || say "  Redis does not answer: $(tail -n 1 "$scratch/asked")"
}

show() {
  local namespace
  date '+%F %T'
  for namespace in "${namespaces[@]}"; do
    printf '\npods in %s\n' "$namespace"
    in_cluster get pods --namespace "$namespace" 2>&1 | sed 's/^/  /' || true
  done
  printf '\nautoscalers\n'
  in_cluster get horizontalpodautoscalers --namespace redis-stream-demo 2>&1 | sed 's/^/  /' || true
  if in_cluster get scaledobjects --namespace redis-stream-demo >"$scratch/scaled" 2>/dev/null; then
    sed 's/^/  /' "$scratch/scaled"
  fi
  printf '\nqueue\n'
  queue
  printf '\nrecent events\n'
  for namespace in "${namespaces[@]}"; do
    in_cluster get events --namespace "$namespace" --no-headers --sort-by .metadata.creationTimestamp 2>&1 |
      tail -n 8 | sed 's/^/  /' || true
  done
}

if [[ -z $every ]]; then
  show
  exit
fi
while true; do
  # All of it at once, so that the screen does not flicker.
  shown=$(show 2>&1)
  printf '\033[H\033[2J%s\n' "$shown"
  sleep "$every"
done
