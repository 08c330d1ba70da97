#!/usr/bin/env bash
# Takes the system out of a Kubernetes cluster, once you have agreed. Volumes and Secrets stay, and with them requests
# that wait, dead letters and metrics: scripts/deploy-to-k8s.sh goes on with them.
#
#   scripts/undeploy.sh [--volumes] [--yes] [--context NAME]
#
#   --volumes        delete the volumes, the Secrets and both namespaces as well; one that is not of this system stays
#   --yes            agree beforehand
#   --context NAME   which cluster, by its name in the kubeconfig (the current one)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/kubernetes.sh

volumes='' yes=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --volumes) volumes=1 ;;
    --yes) yes=1 ;;
    --context) take_choice "$1" "${2:-}" && shift ;;
    *) die "unknown option $1; see scripts/undeploy.sh --help" ;;
  esac
  shift
done
need_kubectl
need_cluster

say "cluster: ${context:-$(kubectl config current-context 2>/dev/null || echo 'the only one')}"
if [[ -n $volumes ]]; then
  ours=()
  for namespace in "${namespaces[@]}"; do
    whose=$(owner "$namespace")
    if [[ $whose == ours ]]; then ours+=("$namespace"); fi
    [[ $whose != foreign ]] || say "the namespace $namespace is not of this system, and is left alone"
  done
  [[ ${#ours[@]} -gt 0 ]] || die "there is no namespace of this system"
  say "this deletes the namespaces ${ours[*]} and all that is in them:"
  say "waiting requests, dead letters, metrics, passwords"
else
  say "this ends everything in the namespaces ${namespaces[*]}; volumes and Secrets are kept"
fi
if [[ -z $yes ]]; then
  [[ -t 0 ]] || die "nobody is here to agree; give --yes"
  read -r -p "go on? [y/N] " answer
  [[ $answer == [yY]* ]] || die "nothing was deleted"
fi

if [[ -n $volumes ]]; then
  in_cluster delete namespace "${ours[@]}" --ignore-not-found
  say "deleted"
  exit
fi

label=app.kubernetes.io/instance=redis-stream-demo
rest=service,configmap,serviceaccount,poddisruptionbudget,networkpolicy,ingress,role,rolebinding

# delete NAMESPACE KINDS ARGUMENT...: what is ours of it, and waits until it is gone.
delete() {
  in_cluster delete "$2" --namespace "$1" --selector "$label${3:+,app=$3}" --ignore-not-found --cascade=foreground
}

# Autoscalers first, or they would go on scaling. Then the fronts, whose callers still need the proxies; Redis last.
if [[ -n $(in_cluster get customresourcedefinition scaledobjects.keda.sh --ignore-not-found --output name) ]]; then
  delete redis-stream-demo scaledobjects.keda.sh,triggerauthentications.keda.sh
fi
delete redis-stream-demo horizontalpodautoscaler
for app in ingress-service proxy-service redis-exporter redis; do
  delete redis-stream-demo deployment,statefulset "$app"
done
delete monitoring deployment,statefulset
for namespace in "${namespaces[@]}"; do delete "$namespace" "$rest"; done
say "ended; kept:"
for namespace in "${namespaces[@]}"; do
  in_cluster get persistentvolumeclaims,secrets --namespace "$namespace" --output name |
    sed "s/^/  $namespace  /" >&2
done
say "scripts/undeploy.sh --volumes deletes these too"
