#!/usr/bin/env bash
# Checks what is in monitoring/ as far as it goes without running anything: the rules and their tests, the cluster's
# scrape configuration, the dashboards, the runbook's sections, and the ConfigMaps that are built from them.
# scripts/check-dashboards.sh does the rest. Takes Debian's promtool unless PROMTOOL names another.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

if [[ -z ${PROMTOOL:-} ]]; then
  command -v promtool >/dev/null || need prometheus
  PROMTOOL=promtool
elif [[ $PROMTOOL == */* ]]; then
  PROMTOOL=$(cd "$called_in" && realpath --strip --canonicalize-missing -- "$PROMTOOL")
fi
command -v "$PROMTOOL" >/dev/null || die "PROMTOOL is not a program: $PROMTOOL"
need python3
python3 -c 'import yaml' 2>/dev/null || need python3-yaml

# quiet COMMAND...: its output only where it fails.
quiet() {
  local output
  output=$("$@" 2>&1) || die "$*"$'\n'"$output"
}

python3 scripts/build-monitoring.py --check
quiet "$PROMTOOL" check rules --lint=all --lint-fatal monitoring/rules.yaml
quiet "$PROMTOOL" test rules monitoring/rules.test.yaml

# Debian builds Prometheus without Kubernetes. There all but the way in which pods are found is checked.
configuration=monitoring/prometheus-k8s.yaml
if ! output=$("$PROMTOOL" check config --syntax-only "$configuration" 2>&1); then
  [[ $output == *'kubernetes_sd_configs not found'* ]] || die "$configuration"$'\n'"$output"
  copy=$(mktemp)
  trap 'rm -f "$copy"' EXIT
  python3 - "$configuration" >"$copy" <<'END'
import sys, yaml
configuration = yaml.safe_load(open(sys.argv[1]))
for job in configuration["scrape_configs"]:
    job["static_configs"] = [{"targets": ["localhost:1"]} for _ in job.pop("kubernetes_sd_configs")]
yaml.safe_dump(configuration, sys.stdout)
END
  quiet "$PROMTOOL" check config --syntax-only "$copy"
  say "check: this promtool knows no Kubernetes; kubernetes_sd_configs in $configuration was NOT checked"
fi
