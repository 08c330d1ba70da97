#!/usr/bin/env bash
# Brings the whole system to a Kubernetes cluster: builds the images, pushes them if there is a registry, makes the
# Secrets that are missing, applies the manifests in order, waits until everything runs, and says how to reach it. Safe
# to run again: it changes what is different. It stops at the first thing that fails, and says what to do.
#
#   scripts/deploy-to-k8s.sh [--overlay NAME] [--component NAME]... [--registry HOST/PATH] [--tag TAG]
#                            [--skip-build] [--context NAME] [--timeout TIME] [--dry-run]
#
#   --overlay NAME     k8s/overlays/NAME in place of k8s; `single-node` fits on 2 CPUs and 8 GiB
#   --component NAME   k8s/components/NAME as well: keda, open-meteo, tls, traces; may be given again
#   --registry R       the images are R/redis-stream-demo/ingress and R/redis-stream-demo/proxy, and are pushed there;
#                      without it they are loaded into the node of kind, k3d or minikube, or are there already
#   --tag TAG          of these images (the version in Cargo.toml)
#   --skip-build       build, push and load nothing: the images are where they are needed
#   --context NAME     which cluster, by its name in the kubeconfig (the current one)
#   --timeout TIME     how long each part may take to run (300s)
#   --dry-run          print what would be done, and the manifests on standard output; needs no cluster
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/kubernetes.sh

registry='' tag='' build=1 timeout=300s dry_run=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --registry | --tag | --timeout)
      [[ -n ${2:-} ]] || die "$1 needs a value"
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    --skip-build) build='' ;;
    --dry-run) dry_run=1 ;;
    *)
      take_choice "$1" "${2:-}" || die "unknown option $1; see scripts/deploy-to-k8s.sh --help"
      shift
      ;;
  esac
  shift
done
tag=${tag:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)}
[[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ && $tag != latest ]] ||
  die "--tag needs the tag of one version, not $tag"
[[ $timeout =~ ^[0-9]+[smh]$ ]] || die "--timeout needs a time such as 300s, not $timeout"
[[ $registry =~ ^[a-z0-9.:/_-]*$ ]] || die "--registry needs a host and a path such as ghcr.io/me, not $registry"
registry=${registry%/}

need_kubectl
if [[ -n $build && -z $dry_run ]] && ! command -v docker >/dev/null; then
  die "docker is missing, https://docs.docker.com/engine/install/; with images built elsewhere give --skip-build"
fi

prefix=${registry:+$registry/}redis-stream-demo
render redis-stream-demo/ingress "$prefix/ingress" "$tag" redis-stream-demo/proxy "$prefix/proxy" "$tag"
[[ -n $dry_run ]] || need_cluster

step() { say "== $*"; }

# fail WHY WHAT_TO_DO: the end, at the first failure.
fail() {
  say "error: $1"
  say "what to do: $2"
  explained=1
  exit 1
}

# do_it COMMAND...: does it, or says what it would be.
do_it() {
  if [[ -n $dry_run ]]; then
    say "would run: ${*/#in_cluster/kubectl}"
  else
    "$@"
  fi
}

build_images() {
  local name image
  for name in ingress proxy; do
    image=$prefix/$name:$tag
    step "building $image"
    # The target is what a builder without BuildKit goes by; it would build the load tester as well.
    do_it docker build --file "Dockerfile.$name" --target "$name" --build-arg "REVISION=$(revision)" --tag "$image" . ||
      fail "$image was not built" "look at the output above; then run this again"
    if [[ -z $registry ]]; then
      load_image "$image"
      continue
    fi
    step "pushing $image"
    do_it docker push "$image" ||
      fail "$image was not pushed" "docker login ${registry%%/*}; may you push there?"
  done
}

# load_image IMAGE: into the node, where the name of the context tells what kind of cluster it is.
load_image() {
  local name=$context
  [[ -n $name || -n $dry_run ]] || name=$(kubectl config current-context 2>/dev/null) || true
  case $name in
    kind-*) do_it kind load docker-image "$1" --name "${name#kind-}" ;;
    k3d-*) do_it k3d image import "$1" --cluster "${name#k3d-}" ;;
    minikube) do_it minikube image load "$1" ;;
    docker-desktop | rancher-desktop | orbstack) ;; # These see the images of this engine.
    *)
      say "note: every node has to have $1. Where it is not yet, on the node (k3s: k3s ctr, without -n):"
      say "  docker save $1 | ctr -n k8s.io images import -"
      ;;
  esac || fail "$1 was not loaded into the node" "look at the output above; or push it with --registry"
}

# secret NAMESPACE NAME KEY...: makes what is missing of it, each value of chance; what is there stays as it is. Values
# go by files that only you can read, and are never shown.
secret() {
  local namespace=$1 name=$2 key there missing=() folder=$scratch/$2
  shift 2
  if [[ -n $dry_run ]]; then
    say "would make the Secret $name in $namespace, or what is missing of it: $*"
    return
  fi
  # shellcheck disable=SC2016  # a template, not a shell's
  there=$(in_cluster get secret "$name" --namespace "$namespace" --ignore-not-found \
    --output 'go-template={{range $key, $value := .data}}{{$key}}{{"\n"}}{{end}}')
  for key; do
    grep -qx "$key" <<<"$there" || missing+=("$key")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  umask 077
  mkdir "$folder"
  for key in "${missing[@]}"; do od -A n -N 32 -t x1 /dev/urandom | tr -d ' \n' >"$folder/$key"; done
  if [[ -z $there ]]; then
    in_cluster create secret generic "$name" --namespace "$namespace" --from-file "$folder" >/dev/null
    say "made the Secret $name in $namespace"
  else
    {
      printf 'stringData:\n'
      for key in "${missing[@]}"; do printf '  %s: "%s"\n' "$key" "$(<"$folder/$key")"; done
    } >"$folder.yaml"
    in_cluster patch secret "$name" --namespace "$namespace" --patch-file "$folder.yaml" >/dev/null
    say "added to the Secret $name in $namespace: ${missing[*]}"
    added=1
  fi
  rm -rf "$folder" "$folder.yaml"
}

# apply GROUP: what kubectl says is in $scratch/applied afterwards.
apply() {
  local code=0
  do_it in_cluster apply --filename "$scratch/manifests/$1.yaml" >"$scratch/applied" || code=$?
  cat "$scratch/applied"
  [[ $code -eq 0 ]] ||
    fail "the cluster did not take all of it ($1)" "the message above names the object. A StatefulSet whose volumes are
  to be of another size is deleted first; its pods and volumes stay:
  kubectl delete statefulset NAME -n NAMESPACE --cascade=orphan"
}

# wait_for NAMESPACE KIND/NAME...
wait_for() {
  local namespace=$1 each
  shift
  for each; do
    do_it in_cluster rollout status "$each" --namespace "$namespace" --timeout "$timeout" ||
      explain "$namespace" "$each"
  done
}

# begin DEPLOYMENT: with as many pods as its autoscaler keeps at least. A new Deployment has one, with which its rollout
# would be over before the autoscaler has looked. Applying leaves the number as it is, and an autoscaler does nothing at
# none: so it would stay there after somebody stopped it, or after KEDA had scaled it down.
begin() {
  local least replicas
  [[ -z $dry_run ]] || return 0
  least=$(in_cluster get horizontalpodautoscaler "$1" --namespace redis-stream-demo \
    --output 'jsonpath={.spec.minReplicas}')
  replicas=$(in_cluster get deployment "$1" --namespace redis-stream-demo --output 'jsonpath={.spec.replicas}')
  [[ ${replicas:-0} -ge ${least:-1} ]] ||
    in_cluster scale deployment "$1" --namespace redis-stream-demo --replicas "${least:-1}"
}

# need_pods DEPLOYMENT: one at least is ready. A rollout to no pods at all is a success to kubectl.
need_pods() {
  local ready
  [[ -z $dry_run ]] || return 0
  ready=$(in_cluster get deployment "$1" --namespace redis-stream-demo --output 'jsonpath={.status.readyReplicas}')
  [[ ${ready:-0} -gt 0 ]] || explain redis-stream-demo "deployment/$1"
}

# explain NAMESPACE KIND/NAME: what of it does not run, in the cluster's words.
explain() {
  in_cluster get pods --namespace "$1" --selector "app=${2#*/}" >&2 || true
  in_cluster get events --namespace "$1" --field-selector type=Warning --sort-by .metadata.creationTimestamp 2>&1 |
    tail -n 8 >&2 || true
  fail "$2 does not run after $timeout" "look above for one of these, then run this again: it goes on
  ErrImagePull, ImagePullBackOff   the node has no such image and gets none: load it into the node, or --registry
  Insufficient cpu, memory         the nodes are full: --overlay single-node
  unbound PersistentVolumeClaims   no default storage class: kubectl get storageclass
  CrashLoopBackOff, not ready      kubectl logs -n $1 -l app=${2#*/} --all-containers --prefix --tail 20
A StatefulSet leaves a pod that never ran as it was made, whatever is applied later: kubectl delete pod NAME-0 -n $1"
}

# at_exit CODE: what is not foreseen ends it too, and whatever failed has said why.
at_exit() {
  rm -rf "$scratch"
  [[ $1 -eq 0 || -n $explained ]] ||
    say "what to do: the message above says why it stopped; once that is mended, run it again, it goes on from there"
}
explained=''
trap 'at_exit $?' EXIT

# What somebody else lives in would get the restricted level and policies that deny what it needs.
if [[ -z $dry_run ]]; then
  for namespace in "${namespaces[@]}"; do
    whose=$(owner "$namespace")
    [[ $whose != foreign ]] ||
      fail "the namespace $namespace is there and not of this system" "use a cluster without it. If all that is in it
  may be held to the restricted level and to policies that deny what they do not list, make it one of this system, which
  scripts/undeploy.sh --volumes then deletes:
  kubectl label namespace $namespace app.kubernetes.io/instance=redis-stream-demo"
  done
fi

[[ -z $build ]] || build_images

step "namespaces and Secrets"
apply namespaces
added=''
secret redis-stream-demo redis-credentials \
  ingress-password proxy-password exporter-password operator-password scaler-password
secret monitoring grafana-admin password

# Applying takes nothing away. So what another choice of components left goes first: the other autoscaler of the
# proxies, since two on one Deployment pull at it in turn, and ways through the network that nobody needs any more.
keda=''
if [[ -z $dry_run ]]; then
  keda=$(in_cluster get customresourcedefinition scaledobjects.keda.sh --ignore-not-found --output name)
fi
if has ScaledObject; then
  step "KEDA scales the proxies"
  [[ -n $keda || -n $dry_run ]] ||
    fail "there is no KEDA in this cluster" "install it, https://keda.sh/docs/latest/deploy/; or leave out --component"
  do_it in_cluster delete horizontalpodautoscaler proxy-service --namespace redis-stream-demo --ignore-not-found
fi
for file in k8s/components/*/*.yaml; do
  name=$(basename "$(dirname "$file")")
  if [[ $file == */kustomization.yaml || " ${components[*]} " == *" $name "* ]]; then continue; fi
  # Where there is no KEDA, its kinds are unknown.
  if [[ -z $keda ]] && grep -q '^apiVersion: keda.sh/' "$file"; then continue; fi
  do_it in_cluster delete --filename "$file" --ignore-not-found
done

step "Redis"
apply redis
# Its users are made of the Secret when its pod starts, and the exporter has its password from there when its own does.
if [[ -n $added ]]; then
  in_cluster rollout restart statefulset/redis deployment/redis-exporter --namespace redis-stream-demo
fi
wait_for redis-stream-demo statefulset/redis

step "settings and services"
apply settings
changed=$(<"$scratch/applied")
apply services
# Pods read settings when they start. They are replaced when the checksum of the settings in their template is; who
# changes the settings may not have written it (scripts/check-k8s.py --write).
if [[ -z $dry_run && $changed == *configmap/app-config\ configured* ]]; then
  in_cluster rollout restart deployment/proxy-service deployment/ingress-service --namespace redis-stream-demo
fi
serving=(proxy-service ingress-service)
# KEDA may have the proxies at none, and begins them itself.
if has ScaledObject; then serving=(ingress-service); fi
for name in "${serving[@]}"; do begin "$name"; done
wait_for redis-stream-demo deployment/proxy-service deployment/ingress-service
for name in "${serving[@]}"; do need_pods "$name"; done

step "Prometheus and Grafana"
apply monitoring
# What only watches is waited for last: the system serves without it.
wait_for redis-stream-demo deployment/redis-exporter
wait_for monitoring statefulset/prometheus deployment/grafana

if [[ -n $dry_run ]]; then
  cat "$scratch/all.yaml"
  exit
fi
say "everything runs"
scheme=http
if grep -q 'secretName: redis-stream-demo-tls' "$scratch/all.yaml"; then
  scheme=https
  [[ -n $(in_cluster get secret redis-stream-demo-tls --namespace redis-stream-demo --ignore-not-found -o name) ]] ||
    say "note: until there is a Secret redis-stream-demo-tls, the ingress controller shows a certificate of its own"
fi
classes=$(in_cluster get ingressclass --output yaml 2>/dev/null || true)
[[ $classes == *'is-default-class: "true"'* ]] ||
  say "note: no class of Ingress is the cluster's default: DEPLOYMENT.md, How to reach it, names the one to take"
kubectl="kubectl${context:+ --context $context}"
cat <<END

From outside, once an ingress controller serves the host:

  $scheme://redis-stream-demo.local/swagger        (its address: $kubectl get ingress -n redis-stream-demo)

From here, each in a shell of its own:

  $kubectl port-forward -n redis-stream-demo service/ingress-service 5009    http://127.0.0.1:5009/swagger
  $kubectl port-forward -n redis-stream-demo service/proxy-service 5010      http://127.0.0.1:5010/terminals
  $kubectl port-forward -n monitoring service/prometheus-service 9090        http://127.0.0.1:9090
  $kubectl port-forward -n monitoring service/grafana-service 3000           http://127.0.0.1:3000, as admin

Grafana's password:

  $kubectl get secret grafana-admin -n monitoring -o go-template='{{.data.password | base64decode}}'

What goes on in there: scripts/k8s-monitor.sh --watch
END
