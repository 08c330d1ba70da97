#!/usr/bin/env bash
# What can be said about the images and docker-compose.yml without running them: that the file is valid for the compose
# that is here, that each service is held in bounds, and that what stands in two places is the same. Needs no engine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

failed=0
fail() {
  say "compose: $*"
  failed=1
}

# Both are of use: whoever has either brings the system up with it.
found=()
if docker compose version >/dev/null 2>&1; then found+=("docker compose"); fi
if command -v docker-compose >/dev/null; then found+=(docker-compose); fi
if [[ ${#found[@]} -eq 0 ]]; then
  need docker-compose python3
  found=(docker-compose)
fi

profiles=(--profile observability --profile load)
for compose in "${found[@]}"; do
  # shellcheck disable=SC2086 # two words, for the first
  $compose "${profiles[@]}" config --quiet || fail "$compose does not take docker-compose.yml"
done

# The checks read it as it is written, by whichever Python can: YAML is no part of its standard library.
python=''
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import yaml' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || die "PyYAML is missing: apt-get install python3-yaml, or pip install pyyaml"
"$python" scripts/check-compose.py || failed=1

# The two files of the services are one down to the stage that builds both.
stages() { sed -n '/^FROM .* AS manifests$/,/^FROM gcr/p' "Dockerfile.$1" | sed '$d'; }
[[ -n $(stages ingress) ]] || fail "Dockerfile.ingress has no stage called manifests"
diff <(stages ingress) <(stages proxy) >&2 || fail "the stages that build differ between the two Dockerfiles"

# Prometheus finds its rules beside its configuration, as docker-compose.yml mounts them. PROMTOOL may name another one.
if [[ -z ${PROMTOOL:-} ]]; then
  command -v promtool >/dev/null || need prometheus
  PROMTOOL=promtool
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp compose/prometheus.yaml monitoring/rules.yaml "$work"
"$PROMTOOL" check config "$work/prometheus.yaml" >"$work/said" 2>&1 ||
  fail "compose/prometheus.yaml:"$'\n'"$(cat "$work/said")"

if [[ $failed -eq 0 ]]; then say "compose: all well"; fi
exit "$failed"
