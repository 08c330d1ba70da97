"""Breaks of what names what: files, labels, selectors, ports, addresses, autoscalers, references."""

import copy

from . import objects
from .breaks import breaks


@breaks("files")
def a_file_that_the_kustomization_does_not_list(_, repository):
    repository.listed.remove("ingress.yaml")


@breaks("files")
def a_file_without_its_link(_, repository):
    repository.linked.remove("redis.yaml")


@breaks("names")
def a_version_that_is_a_number(broken, _):
    broken.workload("redis")["metadata"]["labels"]["app.kubernetes.io/version"] = 8.6


@breaks("names")
def a_label_with_a_blank(broken, _):
    broken.workload("redis")["metadata"]["labels"]["app.kubernetes.io/component"] = "the broker"


@breaks("names")
def a_port_with_too_long_a_name(broken, _):
    broken.container("redis-exporter")["ports"][0]["name"] = "metrics-of-redis"


@breaks("names")
def a_variable_that_is_a_number(broken, _):
    broken.container("proxy-service")["env"].append({"name": "TERMINALS", "value": 5})


@breaks("identity")
def a_label_less(broken, _):
    del broken.workload("redis")["metadata"]["labels"]["app.kubernetes.io/component"]


@breaks("identity")
def an_object_twice(broken, _):
    broken.objects.append(broken.named("Service", "redis-service"))


@breaks("identity")
def a_committed_secret(broken, _):
    broken.objects.append({"kind": "Secret", "metadata": {"name": "s", "namespace": "monitoring"}})


@breaks("identity")
def a_namespace_that_takes_any_pod(broken, _):
    labels = broken.find("Namespace", None, "monitoring")["metadata"]["labels"]
    labels["pod-security.kubernetes.io/enforce"] = "baseline"


@breaks("selectors")
def a_deployment_that_selects_others(broken, _):
    broken.workload("proxy-service")["spec"]["selector"]["matchLabels"]["app"] = "ingress-service"


@breaks("selectors")
def a_service_that_selects_nobody(broken, _):
    broken.named("Service", "redis-service")["spec"]["selector"]["app"] = "redis-service"


@breaks("selectors")
def a_service_that_selects_two(broken, _):
    objects.pod_labels(broken.workload("redis-exporter"))["app"] = "redis"


@breaks("selectors")
def a_disruption_budget_for_nobody(broken, _):
    broken.named("PodDisruptionBudget", "proxy-service")["spec"]["selector"]["matchLabels"]["app"] = "proxy"


@breaks("selectors")
def a_network_policy_for_nobody(broken, _):
    broken.named("NetworkPolicy", "redis")["spec"]["podSelector"]["matchLabels"]["app"] = "cache"


@breaks("selectors")
def others_are_spread(broken, _):
    terms = broken.pod("proxy-service")["topologySpreadConstraints"]
    terms[0]["labelSelector"]["matchLabels"]["app"] = "ingress-service"


@breaks("port_names")
def a_service_to_no_port(broken, _):
    broken.named("Service", "proxy-service")["spec"]["ports"][0]["targetPort"] = "web"


@breaks("port_names")
def a_probe_of_no_port(broken, _):
    broken.container("redis-exporter")["livenessProbe"]["httpGet"]["port"] = "http"


@breaks("port_names")
def an_ingress_to_no_service(broken, _):
    paths = broken.named("Ingress", "redis-stream-demo")["spec"]["rules"][0]["http"]["paths"]
    paths[0]["backend"]["service"]["name"] = "ingress"


@breaks("port_names", "k8s with tls")
def tls_for_another_host(broken, _):
    broken.named("Ingress", "redis-stream-demo")["spec"]["tls"][0]["hosts"] = ["example.org"]


@breaks("addresses")
def a_redis_elsewhere(broken, _):
    broken.settings()["REDIS_URL"] = "redis://redis.redis-stream-demo.svc.cluster.local:6379"


@breaks("addresses", "k8s with keda")
def keda_asks_another_port(broken, _):
    metadata = broken.named("ScaledObject", "proxy-service")["spec"]["triggers"][0]["metadata"]
    metadata["address"] = metadata["address"].replace("6379", "6380")


@breaks("scaling")
def an_autoscaler_of_nothing(broken, _):
    broken.named("HorizontalPodAutoscaler", "proxy-service")["spec"]["scaleTargetRef"]["name"] = "proxy"


@breaks("scaling")
def replicas_beside_an_autoscaler(broken, _):
    broken.workload("ingress-service")["spec"]["replicas"] = 3


@breaks("scaling")
def no_request_to_measure_by(broken, _):
    del broken.container("proxy-service")["resources"]["requests"]["cpu"]


@breaks("scaling", "k8s with keda")
def two_autoscalers(broken, _):
    again = copy.deepcopy(broken.named("HorizontalPodAutoscaler", "ingress-service"))
    again["metadata"]["name"] = again["spec"]["scaleTargetRef"]["name"] = "proxy-service"
    broken.objects.append(again)


@breaks("scaling", "k8s with keda")
def a_scaled_object_of_nothing(broken, _):
    broken.named("ScaledObject", "proxy-service")["spec"]["scaleTargetRef"]["name"] = "proxies"


@breaks("scaling")
def no_autoscaler_and_no_replicas(broken, _):
    broken.objects.remove(broken.named("HorizontalPodAutoscaler", "ingress-service"))


@breaks("references")
def a_config_map_that_is_not_there(broken, _):
    broken.container("proxy-service")["envFrom"][0]["configMapRef"]["name"] = "proxy-config"


@breaks("references")
def a_secret_that_nothing_makes(broken, _):
    broken.pod("ingress-service")["volumes"][0]["secret"]["secretName"] = "redis"


@breaks("references")
def a_key_that_nothing_makes(broken, _):
    broken.pod("ingress-service")["volumes"][0]["secret"]["items"][0]["key"] = "password"


@breaks("references")
def a_variable_of_no_secret(broken, _):
    for variable in broken.container("redis-exporter")["env"]:
        if variable["name"] == "REDIS_PASSWORD":
            variable["valueFrom"]["secretKeyRef"]["key"] = "redis-password"


@breaks("references", "k8s with keda")
def keda_comes_with_no_password(broken, _):
    spec = broken.named("TriggerAuthentication", "proxy-service-scaler")["spec"]
    spec["secretTargetRef"][0]["key"] = "keda-password"


@breaks("references")
def a_volume_that_is_not_there(broken, _):
    broken.container("grafana")["volumeMounts"][0]["name"] = "storage"


@breaks("references")
def a_claim_without_access_modes(broken, _):
    del broken.workload("redis")["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"]


@breaks("references")
def a_service_account_that_is_not_there(broken, _):
    broken.pod("grafana")["serviceAccountName"] = "default"


@breaks("references")
def a_stateful_set_without_its_service(broken, _):
    broken.workload("redis")["spec"]["serviceName"] = "redis-service"


@breaks("references")
def a_role_for_nobody(broken, _):
    broken.named("RoleBinding", "prometheus")["subjects"][0]["namespace"] = "redis-stream-demo"


@breaks("references")
def rights_in_the_whole_cluster(broken, _):
    broken.objects.append({"kind": "ClusterRole", "metadata": {"name": "prometheus"}})
