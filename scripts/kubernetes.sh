# shellcheck shell=bash
# What the scripts for Kubernetes share: which cluster, and the manifests of one choice of overlay and components. The
# script that reads this file has read lib.sh before.

# shellcheck disable=SC2034  # for the scripts
namespaces=(redis-stream-demo monitoring)
overlay='' components=() context='' scratch=''

# in_cluster ARGUMENT...: kubectl, for the cluster that was chosen.
in_cluster() { kubectl ${context:+--context "$context"} "$@"; }

# need_kubectl: kubectl, and a folder that goes when the script ends.
need_kubectl() {
  command -v kubectl >/dev/null || die "kubectl is missing: https://kubernetes.io/docs/tasks/tools/"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}

# need_cluster: one that answers.
need_cluster() {
  in_cluster get --raw /version --request-timeout=10s >/dev/null 2>"$scratch/refused" ||
    die "no cluster answers${context:+ by the context $context}: $(tail -n 1 "$scratch/refused")"
}

# owner NAMESPACE: `none` if it is not there, `ours` if it carries our label, else `foreign`.
owner() {
  local found
  found=$(in_cluster get namespace "$1" --ignore-not-found \
    --output 'jsonpath={.metadata.name}={.metadata.labels.app\.kubernetes\.io/instance}') || return
  case $found in
    '') echo none ;;
    "$1=redis-stream-demo") echo ours ;;
    *) echo foreign ;;
  esac
}

# take_choice OPTION VALUE: the options that say what and where; returns 1 for any other.
take_choice() {
  case $1 in
    --overlay | --component | --context) [[ -n $2 ]] || die "$1 needs a value" ;;
    *) return 1 ;;
  esac
  case $1 in
    --overlay) is_choice overlays "$2" "$1" && overlay=$2 ;;
    --component) is_choice components "$2" "$1" && components+=("$2") ;;
    --context) context=$2 ;;
  esac
}

is_choice() {
  local there=(k8s/"$1"/*/)
  there=("${there[@]%/}")
  [[ $2 =~ ^[a-z0-9-]+$ && -f k8s/$1/$2/kustomization.yaml ]] || die "$3 takes one of: ${there[*]##*/}"
}

# render [IMAGE NEW_NAME NEW_TAG]...: the manifests of that choice, with other images, in all.yaml, and one file for
# each group of objects in manifests/: namespaces, redis, settings, services, monitoring. Components and images are
# added by a kustomization that is nowhere in the repository.
render() {
  local below component
  mkdir -p "$scratch/kustomization" "$scratch/manifests"
  below=$(realpath --relative-to="$(realpath "$scratch/kustomization")" k8s)
  {
    printf 'resources:\n  - %s\n' "$below${overlay:+/overlays/$overlay}"
    [[ ${#components[@]} -eq 0 ]] || printf 'components:\n'
    for component in "${components[@]}"; do printf '  - %s\n' "$below/components/$component"; done
    [[ $# -eq 0 ]] || printf 'images:\n'
    while [[ $# -gt 0 ]]; do
      printf '  - name: %s\n    newName: %s\n    newTag: "%s"\n' "$1" "$2" "$3"
      shift 3
    done
  } >"$scratch/kustomization/kustomization.yaml"
  kubectl kustomize "$scratch/kustomization" >"$scratch/all.yaml" || die "the manifests cannot be put together"
  # An object's group is that of its label `app`, the first one below `metadata`; only namespaces have none.
  awk -v folder="$scratch/manifests" '
    function flush() {
      if (text == "") return
      name = kind == "Namespace" ? "namespaces" : group[app]
      if (name == "") { print "in no group: " kind " of " app > "/dev/stderr"; exit 1 }
      printf "---\n%s", text > (folder "/" name ".yaml")
      text = kind = app = above = ""
    }
    BEGIN {
      group["redis"] = group["redis-exporter"] = "redis"
      group["redis-stream-demo"] = "settings"
      group["ingress-service"] = group["proxy-service"] = "services"
      group["monitoring"] = group["prometheus"] = group["grafana"] = "monitoring"
    }
    $0 == "---" { flush(); next }
    /^[a-zA-Z]/ { above = $1 }
    /^kind: / { kind = $2 }
    above == "metadata:" && app == "" && /^    app: / { app = $2 }
    { text = text $0 "\n" }
    END { flush() }' "$scratch/all.yaml" || die "the manifests cannot be told apart"
}

# has KIND: whether the manifests have an object of that kind.
has() { grep -q "^kind: $1\$" "$scratch/all.yaml"; }
