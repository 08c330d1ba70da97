#!/usr/bin/env bash
# Runs the scripts for Kubernetes against a stand-in of kubectl that notes what it is asked: the order of a deployment,
# that it can be run twice, stops at the first failure, and shows no password; that --dry-run asks nothing of a cluster;
# what --watch makes of Redis's answers; what undeploy.sh keeps. Needs the real kubectl for `kubectl kustomize` alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

help_or_go_on "$@"

kubectl=$(command -v kubectl) || { say "no kubectl here: the scripts for Kubernetes were NOT run"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/secrets" "$work/hpa" "$work/namespaces" "$work/replicas"

# Keeps Secrets, the proxies' autoscaler, namespaces and the numbers of pods as files. $FAIL is a pattern of the call
# that fails, $NOT_READY a Deployment without a pod that is ready.
cat >"$work/bin/kubectl" <<STUB
#!/usr/bin/env bash
set -euo pipefail
[[ \$1 != kustomize ]] || exec "$kubectl" "\$@"
work=$work
printf '%s\n' "\$*" >>"\$work/calls"
if [[ -n \${FAIL:-} && "\$*" == \$FAIL ]]; then echo "refused by the stand-in" >&2; exit 1; fi
case "\$*" in
  'get secret redis-stream-demo-tls '*) ;;
  'get secret '*) if [[ -d \$work/secrets/\$3 ]]; then ls "\$work/secrets/\$3"; fi ;;
  'create secret generic '*) cp -r "\${@: -1}" "\$work/secrets/\$4" ;;
  'patch secret '*) sed -n 's/^  \(.*\): "\(.*\)"\$/\1 \2/p' "\${@: -1}" | while read -r key value; do
      printf %s "\$value" >"\$work/secrets/\$3/\$key"; done ;;
  'get customresourcedefinition scaledobjects.keda.sh '*) echo "\${KEDA:-}" ;;
  'get namespace '*) if [[ -e \$work/namespaces/\$3 ]]; then cat "\$work/namespaces/\$3"; fi ;;
  'get deployment '*readyReplicas*)
    if [[ \${NOT_READY:-} != "\$3" ]]; then cat "\$work/replicas/\$3" 2>/dev/null || echo 1; fi ;;
  'get deployment '*) cat "\$work/replicas/\$3" 2>/dev/null || echo 1 ;;
  'get horizontalpodautoscaler '*) echo 3 ;;
  'get ingressclass '*) echo "\${CLASSES:-}" ;;
  'scale deployment '*) echo "\${@: -1}" >"\$work/replicas/\$3" ;;
  'apply --filename '*namespaces.yaml)
    cat "\$3" >>"\$work/applied"
    for name in redis-stream-demo monitoring; do echo "\$name=redis-stream-demo" >"\$work/namespaces/\$name"; done ;;
  'apply --filename '*)
    cat "\$3" >>"\$work/applied"
    if [[ \$3 == *settings.yaml ]]; then echo "configmap/app-config \${SETTINGS:-unchanged}"; fi
    if grep -A 11 '^kind: HorizontalPodAutoscaler' "\$3" | grep -q '^  name: proxy-service'; then
      touch "\$work/hpa/proxy"
    fi ;;
  'delete horizontalpodautoscaler proxy-service '*) rm -f "\$work/hpa/proxy" ;;
  'exec '*) cat "\$work/redis" ;;
  'config current-context') echo stand-in ;;
esac
STUB
cat >"$work/bin/docker" <<STUB
#!/usr/bin/env bash
printf 'docker %s\n' "\$*" >>"$work/calls"
STUB
chmod +x "$work/bin/kubectl" "$work/bin/docker"

# run [VARIABLE=VALUE]... SCRIPT ARGUMENT...: leaves its output and, in `code`, how it ended.
run() {
  : >"$work/calls"
  : >"$work/applied"
  code=0
  env PATH="$work/bin:$PATH" "$@" >"$work/out" 2>&1 </dev/null || code=$?
}

broken() {
  say "error: $1; it said:"
  cat "$work/out" >&2
  say "and asked:"
  cat "$work/calls" >&2
  exit 1
}

ended() { [[ $code -eq $1 ]] || broken "exit code $code in place of $1: $2"; }
says() { grep -qF -- "$1" "$work/out" || broken "it does not say: $1"; }

# asks PATTERN...: calls like these, in this order, whatever is between them.
asks() {
  local line=0 at pattern
  for pattern; do
    at=$(tail -n +$((line + 1)) "$work/calls" | grep -nE -m 1 -- "$pattern" | cut -d : -f 1) || true
    [[ -n $at ]] || broken "it does not ask, at its place: $pattern"
    line=$((line + at))
  done
}
asks_nothing_like() { ! grep -qE -- "$1" "$work/calls" || broken "it asks: $1"; }

new=(--registry registry.example/team --tag 9.9.9)
run scripts/deploy-to-k8s.sh --dry-run --overlay single-node --component keda "${new[@]}"
ended 0 "a dry run"
[[ ! -s $work/calls ]] || broken "a dry run asked something of the cluster or of docker"
says 'image: registry.example/team/redis-stream-demo/proxy:9.9.9'
says 'kind: ScaledObject'

run scripts/deploy-to-k8s.sh "${new[@]}"
ended 0 "a first deployment"
asks 'docker build .*Dockerfile.ingress' 'docker push registry.example/team/redis-stream-demo/ingress:9.9.9' \
  'docker build .*Dockerfile.proxy' 'docker push registry.example/team/redis-stream-demo/proxy:9.9.9' \
  'apply .*namespaces.yaml' 'create secret generic redis-credentials --namespace redis-stream-demo' \
  'create secret generic grafana-admin --namespace monitoring' \
  'apply .*redis.yaml' 'rollout status statefulset/redis ' 'apply .*settings.yaml' 'apply .*services.yaml' \
  'scale deployment ingress-service .*--replicas 3' \
  'rollout status deployment/proxy-service ' 'rollout status deployment/ingress-service ' \
  'apply .*monitoring.yaml' 'rollout status statefulset/prometheus ' 'rollout status deployment/grafana '
[[ $(grep -c '^kind: ' "$work/applied") -eq $("$kubectl" kustomize k8s | grep -c '^kind: ') ]] ||
  broken "not all objects were applied, or some twice"
for key in ingress proxy exporter operator scaler; do
  [[ $(wc -c <"$work/secrets/redis-credentials/$key-password") -eq 64 ]] || broken "the password of $key is none"
done
[[ $(cat "$work"/secrets/*/* | fold -w 64 | sort -u | wc -l) -eq 6 ]] || broken "two passwords are the same"
for file in "$work"/secrets/*/*; do
  ! grep -qF "$(<"$file")" "$work/out" "$work/calls" || broken "a password is shown, or in an argument"
done

cp -r "$work/secrets" "$work/before"
run scripts/deploy-to-k8s.sh --skip-build
ended 0 "a second deployment"
asks_nothing_like '^docker|create|patch|restart|^scale |delete (secret|namespace|deployment|statefulset)'
diff -r "$work/before" "$work/secrets" >&2 || broken "a Secret that was there has changed"

run SETTINGS=configured scripts/deploy-to-k8s.sh --skip-build
ended 0 "a deployment with a setting that was changed"
says 'configmap/app-config configured'
asks 'apply .*settings.yaml' 'apply .*services.yaml' \
  'rollout restart deployment/proxy-service deployment/ingress-service ' 'rollout status deployment/proxy-service '

says 'no class of Ingress'
run CLASSES='ingressclass.kubernetes.io/is-default-class: "true"' scripts/deploy-to-k8s.sh --skip-build
! grep -q 'class of Ingress' "$work/out" || broken "it misses a class that is there"

rm "$work/secrets/redis-credentials/scaler-password" "$work/before/redis-credentials/scaler-password"
run scripts/deploy-to-k8s.sh --skip-build
ended 0 "a deployment with a Secret that lacks a key"
asks 'patch secret redis-credentials ' 'apply .*redis.yaml' 'rollout restart statefulset/redis'
[[ $(wc -c <"$work/secrets/redis-credentials/scaler-password") -eq 64 ]] || broken "the key was not added"
rm "$work/secrets/redis-credentials/scaler-password"
diff -r "$work/before" "$work/secrets" >&2 || broken "a key that was there has changed"

run FAIL='rollout status statefulset/redis *' scripts/deploy-to-k8s.sh --skip-build
ended 1 "Redis that does not run"
says 'what to do:'
asks 'rollout status statefulset/redis' 'get pods .*app=redis'
asks_nothing_like 'settings.yaml|services.yaml'
run FAIL='apply *services.yaml' scripts/deploy-to-k8s.sh --skip-build
ended 1 "services that are not taken"
says 'what to do:'
asks_nothing_like 'rollout status deployment/proxy-service|monitoring.yaml'
run FAIL='rollout status deployment/redis-exporter *' scripts/deploy-to-k8s.sh --skip-build
ended 1 "an exporter that does not run"
asks 'rollout status deployment/ingress-service' 'rollout status deployment/redis-exporter'
run FAIL='get secret *' scripts/deploy-to-k8s.sh --skip-build
ended 1 "Secrets that cannot be read"
says 'what to do:'
asks_nothing_like 'create|redis.yaml'
run FAIL='get --raw *' scripts/deploy-to-k8s.sh --skip-build
ended 1 "no cluster"
says 'no cluster answers'

touch "$work/hpa/proxy"
run scripts/deploy-to-k8s.sh --skip-build --component keda
ended 1 "KEDA that is not there"
says 'there is no KEDA'
[[ -e $work/hpa/proxy ]] || broken "the autoscaler is gone, and nothing in its place"
run KEDA=crd scripts/deploy-to-k8s.sh --skip-build --component keda
ended 0 "KEDA"
asks 'delete horizontalpodautoscaler proxy-service' 'delete .*components/open-meteo/' 'apply .*services.yaml'
asks_nothing_like 'delete .*components/keda/|^scale '
[[ ! -e $work/hpa/proxy ]] || broken "two autoscalers for the proxies"
echo 0 >"$work/replicas/proxy-service"
run KEDA=crd scripts/deploy-to-k8s.sh --skip-build --component keda
ended 0 "KEDA that has the proxies at none"
asks_nothing_like '^scale '
run KEDA=crd scripts/deploy-to-k8s.sh --skip-build
ended 0 "from KEDA back"
asks 'delete --filename k8s/components/keda/scaled-object.yaml' 'apply .*services.yaml' \
  'scale deployment proxy-service .*--replicas 3' 'rollout status deployment/proxy-service'
[[ -e $work/hpa/proxy ]] || broken "no autoscaler for the proxies"

echo 0 | tee "$work/replicas/proxy-service" >"$work/replicas/ingress-service"
run scripts/deploy-to-k8s.sh --skip-build
ended 0 "services that somebody stopped"
asks 'apply .*services.yaml' 'scale deployment proxy-service' 'scale deployment ingress-service' 'rollout status'
run NOT_READY=proxy-service scripts/deploy-to-k8s.sh --skip-build
ended 1 "a rollout to no pods"
says 'deployment/proxy-service does not run after'

echo 'monitoring=' >"$work/namespaces/monitoring"
run scripts/deploy-to-k8s.sh
ended 1 "a namespace of others"
says 'the namespace monitoring is there and not of this system'
asks_nothing_like '^docker|apply|create|delete'
run scripts/undeploy.sh --yes --volumes
ended 0 "undeploy beside a namespace of others"
asks 'delete namespace redis-stream-demo --'
echo 'monitoring=redis-stream-demo' >"$work/namespaces/monitoring"

for wrong in '--overlay none' '--component ../base' '--tag latest' '--timeout soon' '--registry' '--unknown'; do
  # shellcheck disable=SC2086  # an option and its value
  run scripts/deploy-to-k8s.sh --skip-build $wrong
  ended 1 "$wrong"
  [[ ! -s $work/calls ]] || broken "$wrong went as far as the cluster"
done

now=$(date +%s)
cat >"$work/redis" <<END
now $now
outstanding 12
pending 9
dead 2
oldest $(((now - 4) * 1000))-0
worker proxy-a
worker $((now - 1))000 5 150000 20
worker proxy-b
worker $((now - 1))500 5 150000 30
worker proxy-gone
worker $((now - 60))000 5 150000 30
END
run scripts/k8s-monitor.sh
ended 0 "the monitor"
says '  backlog            3'
says '  oldest             4 s'
says '  terminals at work  9 of 10, in 2 proxies'
says '  dead letters       2'
echo 'Could not connect to Redis' >"$work/redis"
run scripts/k8s-monitor.sh
ended 0 "the monitor without Redis"
says 'Redis does not answer: Could not connect to Redis'

run scripts/undeploy.sh
ended 1 "undeploy without consent"
asks_nothing_like '^delete'
run scripts/undeploy.sh --yes
ended 0 "undeploy"
asks 'delete horizontalpodautoscaler' 'delete deployment,statefulset .*app=ingress-service' \
  'delete deployment,statefulset .*app=proxy-service' 'delete deployment,statefulset .*app=redis '
asks_nothing_like '^delete (namespace|[^ ]*(secret|persistentvolumeclaim))'
run scripts/undeploy.sh --yes --volumes
ended 0 "undeploy with volumes"
asks 'delete namespace redis-stream-demo monitoring'

say "the scripts for Kubernetes do what they say"
