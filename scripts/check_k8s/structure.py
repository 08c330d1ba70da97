"""Files, labels, selectors, ports, addresses: what names something names what is there."""

import json
import re

from . import network
from .objects import INSTANCE, LABELS, NAMESPACES, SECRETS, containers, pod, pod_labels, ports, probes, title
from .registry import check

# The order in which people apply the files, which is that of base/kustomization.yaml.
FILES = [
    "namespaces.yaml", "redis.yaml", "config-map.yaml", "ingress-service.yaml", "proxy-service.yaml",
    "ingress-service-hpa.yaml", "proxy-service-hpa.yaml", "ingress.yaml", "network-policies.yaml",
    "prometheus-config.yaml", "prometheus.yaml", "grafana-dashboards.yaml", "grafana.yaml",
]


@check
def files(manifests, repository):
    if repository.listed != FILES:
        yield f"k8s/base/kustomization.yaml lists {repository.listed}, in this order it should be {FILES}"
    for name in sorted(set(repository.listed) ^ set(repository.files)):
        yield f"{name} is in k8s/base or in its kustomization, and not in both"
    for name in sorted(set(repository.files) ^ set(repository.linked)):
        yield f"k8s/{name} is not the link to base/{name}: scripts/check-k8s.py --write"


# What the API server takes as a name, as a label's value, and as a port's name; schemas do not say.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
PORT = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")


@check
def names(manifests, repository):
    for each in manifests.objects:
        metadata = each["metadata"]
        if not NAME.fullmatch(metadata["name"]):
            yield f"{title(each)} has a name that no cluster takes"
        for key, value in metadata.get("labels", {}).items():
            if not isinstance(value, str) or not VALUE.fullmatch(value):
                yield f"{title(each)} is labelled {key}: {value}, which no cluster takes"
        for key, value in metadata.get("annotations", {}).items():
            if not isinstance(value, str):
                yield f"{title(each)} has an annotation {key} that is no text"
    for each in manifests.workloads():
        for name, value in each["spec"]["template"]["metadata"].get("annotations", {}).items():
            if not isinstance(value, str):
                yield f"{title(each)}: the annotation {name} of its pods is no text"
        for name in ports(each):
            if isinstance(name, str) and not PORT.fullmatch(name):
                yield f"{title(each)} has a port {name}, which is no name of a port"
        for container in containers(each):
            for variable in container.get("env", []):
                if "value" in variable and not isinstance(variable["value"], str):
                    yield f"{title(each)}: {variable['name']} is no text: put it in quotes"


@check
def identity(manifests, repository):
    seen = set()
    for each in manifests.objects:
        labels = each["metadata"].get("labels", {})
        key = (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        if key in seen:
            yield f"{title(each)} is there twice"
        seen.add(key)
        wanted = LABELS if each["kind"] == "Namespace" else ["app", *LABELS]
        missing = [label for label in wanted if not labels.get(label)]
        if missing:
            yield f"{title(each)} lacks the labels {missing}"
        if labels.get("app.kubernetes.io/instance") != INSTANCE:
            yield f"{title(each)} is not of the instance {INSTANCE}"
        if each["kind"] != "Namespace" and key[1] not in NAMESPACES:
            yield f"{title(each)} is in the namespace {key[1]}"
        if each["kind"] == "Secret":
            yield f"{title(each)} would be in the repository"
    for name in NAMESPACES:
        namespace = manifests.find("Namespace", None, name)
        labels = namespace["metadata"]["labels"] if namespace else {}
        for mode in ("enforce", "audit", "warn"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"namespace {name} does not {mode} the restricted level"


@check
def selectors(manifests, repository):
    for each in manifests.workloads():
        selector = each["spec"]["selector"]
        if sorted(selector.get("matchLabels", {})) != ["app", "app.kubernetes.io/instance"]:
            yield f"{title(each)} selects by other labels than app and app.kubernetes.io/instance"
        if not network.selects(selector, pod_labels(each)):
            yield f"{title(each)} does not select its own pods"
        for constraint in pod(each).get("topologySpreadConstraints", []):
            if not network.selects(constraint["labelSelector"], pod_labels(each)):
                yield f"{title(each)} spreads other pods than its own"
    for each in manifests.of("Service"):
        yield from exactly_one(manifests, each, {"matchLabels": each["spec"]["selector"]})
    for each in manifests.of("PodDisruptionBudget"):
        yield from exactly_one(manifests, each, each["spec"]["selector"])
    for each in manifests.of("NetworkPolicy"):
        if not manifests.selected(each["metadata"]["namespace"], each["spec"]["podSelector"]):
            yield f"{title(each)} is for no pod"


def exactly_one(manifests, each, selector):
    found = manifests.selected(each["metadata"]["namespace"], selector)
    if len(found) != 1:
        yield f"{title(each)} selects {[title(workload) for workload in found]}, not the pods of one"


@check
def port_names(manifests, repository):
    for each in manifests.of("Service"):
        for workload in manifests.selected(each["metadata"]["namespace"], {"matchLabels": each["spec"]["selector"]}):
            for port in each["spec"]["ports"]:
                if port.get("targetPort") not in ports(workload):
                    yield f"{title(each)} leads to port {port.get('targetPort')}, which {title(workload)} has not"
    for each in manifests.workloads():
        for container in containers(each):
            for name, probe in probes(container).items():
                if "httpGet" in probe and probe["httpGet"]["port"] not in ports(each):
                    yield f"{title(each)}: the {name} probe asks port {probe['httpGet']['port']}, which it has not"
    for each in manifests.of("Ingress"):
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = manifests.find("Service", each["metadata"]["namespace"], backend["name"])
                names = [port["name"] for port in service["spec"]["ports"]] if service else []
                if backend["port"].get("name") not in names:
                    yield f"{title(each)} leads to {backend}, which is not there"
        hosts = {rule["host"] for rule in each["spec"]["rules"]}
        for tls in each["spec"].get("tls", []):
            if set(tls["hosts"]) != hosts or (each["metadata"]["namespace"], tls["secretName"]) not in SECRETS:
                yield f"{title(each)}: TLS is for other hosts, or by a Secret that is not documented"


@check
def addresses(manifests, repository):
    """What is named by a name of the cluster is a service there, on a port that it has."""
    pattern = re.compile(r"\b([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local(?::([0-9]+))?")
    for each in manifests.objects:
        for name, namespace, port in pattern.findall(json.dumps(each)):
            service = manifests.find("Service", namespace, name)
            numbers = [str(port["port"]) for port in service["spec"]["ports"]] if service else []
            if not service or port and port not in numbers:
                yield f"{title(each)} names {name}.{namespace}, port {port or 'none'}, which is not there"
