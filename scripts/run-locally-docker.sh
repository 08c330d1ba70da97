#!/usr/bin/env bash
# Runs the whole system in containers, in the background: builds the images, starts everything, waits until it serves
# and says where. Safe to run again: it changes what is different.
#
#   scripts/run-locally-docker.sh [--proxies N] [--observability]
#   scripts/run-locally-docker.sh --stop
#   scripts/run-locally-docker.sh --clean [--yes]
#
#   --proxies N       so many proxies, 1 to 20 (1)
#   --observability   Prometheus, Grafana and Jaeger as well, and the services send traces
#   --stop            ends everything; requests that wait, dead letters and passwords stay in volumes
#   --clean           ends everything and deletes those volumes, once you have agreed
#   --yes             agrees beforehand
#
# Settings of the services are taken from the environment: PROCESSING_TIME=50ms scripts/run-locally-docker.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

proxies=1 observability='' action=start yes=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --proxies)
      [[ ${2:-} =~ ^([1-9]|1[0-9]|20)$ ]] || die "--proxies needs a number from 1 to 20${2:+, not $2}"
      proxies=$2
      shift
      ;;
    --observability) observability=1 ;;
    --stop | --clean)
      [[ $action == start ]] || die "--stop and --clean exclude each other"
      action=${1#--}
      ;;
    --yes) yes=1 ;;
    *) die "unknown option $1; see scripts/run-locally-docker.sh --help" ;;
  esac
  shift
done
[[ -z $yes || $action == clean ]] || die "--yes goes with --clean"

command -v docker >/dev/null || die "docker is missing: https://docs.docker.com/engine/install/"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  die "neither 'docker compose' nor docker-compose is here: https://docs.docker.com/compose/install/"
fi
docker version >/dev/null 2>&1 || die "the Docker engine does not answer you; 'docker version' says why"

everything=("${compose[@]}" --profile observability --profile load)
case $action in
  stop)
    "${everything[@]}" down --remove-orphans
    say "stopped; the data is kept, and comes back with scripts/run-locally-docker.sh"
    exit
    ;;
  clean)
    say "this ends everything and deletes what it keeps: requests that wait, dead letters, passwords, metrics"
    if [[ -z $yes ]]; then
      [[ -t 0 ]] || die "nobody is here to agree; give --yes"
      read -r -p "delete it? [y/N] " answer
      [[ $answer == [yY]* ]] || die "nothing was deleted"
    fi
    "${everything[@]}" down --remove-orphans --volumes
    say "deleted; the images are left"
    exit
    ;;
esac

# ours SERVICE: the running containers of it that this started before.
ours() {
  local ids
  ids=$("${everything[@]}" ps -q "$1" 2>/dev/null) || true
  # shellcheck disable=SC2086 # one word each
  [[ -z $ids ]] || docker inspect --format '{{if .State.Running}}{{.Id}}{{end}}' $ids 2>/dev/null | sed '/^$/d'
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free SERVICE PORT: nobody else listens there.
free() {
  [[ -n $(ours "$1") ]] || ! taken "$2" || die "port $2, for $1, is taken by another program"
}

free ingress 5009
have=$(ours proxy | wc -l)
for ((port = 5010; port <= 5029 && have < proxies; port++)); do taken "$port" || have=$((have + 1)); done
[[ $have -ge $proxies ]] || die "ports 5010 to 5029, for the proxies, are taken: $have of the $proxies wanted are left"
if [[ -n $observability ]]; then
  free prometheus 9090
  free grafana 3000
  free jaeger 16686
  compose+=(--profile observability)
  export OTEL_EXPORTER_OTLP_ENDPOINT=${OTEL_EXPORTER_OTLP_ENDPOINT:-http://jaeger:4318}
fi

# The images say which sources they were made from.
REVISION=${REVISION:-$(revision)}
export REVISION

say "building and starting, which takes some minutes the first time"
# docker-compose 1.29 cannot put a new container in the place of an old one with newer engines (KeyError:
# 'ContainerConfig'), so that it takes the old ones away first. Volumes stay.
if [[ ${compose[0]} == docker-compose && $(docker-compose version --short) == 1.* ]] &&
  [[ -n $("${everything[@]}" ps -q) ]]; then
  "${compose[@]}" build || die "the images were not built; what is above says why"
  say "with docker-compose 1.29 what runs is stopped first; Compose 2 changes only what is different"
  "${everything[@]}" down --remove-orphans
fi
"${compose[@]}" up --detach --build --scale "proxy=$proxies" || die "it did not start; what is above says why"

# waiting: the containers that do not serve yet. The one that makes the passwords has ended by now.
waiting() {
  local ids
  ids=$("${compose[@]}" ps -q)
  # shellcheck disable=SC2086 # one word each
  docker inspect --format '{{.Name}} {{with .State.Health}}{{.Status}}{{else}}healthy{{end}}' $ids |
    sed -n -E '/ healthy$/!s/^\/([^ ]*) .*/\1/p'
}

for ((second = 0; ; second++)); do
  late=$(waiting)
  [[ -n $late ]] || break
  if [[ $second -ge 120 ]]; then
    for name in $late; do docker logs --tail 10 "$name" 2>&1 | sed "s/^/[$name] /" >&2; done
    die "not healthy after two minutes: ${late//$'\n'/ }; what they said last is above"
  fi
  sleep 1
done

proxy_urls=$(ours proxy | xargs -I '{}' docker port '{}' 5010/tcp | sort -V | sed 's|^|http://|')
proxy=${proxy_urls%%$'\n'*}
cat <<END

Ready:

  ingress     http://127.0.0.1:5009
  proxy       ${proxy_urls//$'\n'/ }
  Swagger     http://127.0.0.1:5009/swagger    $proxy/swagger
  health      http://127.0.0.1:5009/health    $proxy/health
  terminals   $proxy/terminals
END
[[ -z $observability ]] || cat <<END
  Grafana     http://127.0.0.1:3000
  Prometheus  http://127.0.0.1:9090
  traces      http://127.0.0.1:16686
END
cat <<END

Ask for a forecast:

  curl -s http://127.0.0.1:5009/WeatherForecast/city -H 'content-type: application/json' \\
    -d '{"city": "New York", "location": "Downtown"}'

Logs: ${compose[*]} logs -f. Stop: scripts/run-locally-docker.sh --stop

END
