"""The objects of one variant, by what the checks ask of them; and the names that they must agree on."""

import re

from . import network

NAMESPACES = ("redis-stream-demo", "monitoring")
LABELS = ["app.kubernetes.io/" + name for name in
          ("name", "instance", "version", "component", "part-of", "managed-by")]
INSTANCE = "redis-stream-demo"

# What is in no manifest: made by scripts/deploy-to-k8s.sh or by the lines of DEPLOYMENT.md, "Kubernetes".
SECRETS = {
    ("redis-stream-demo", "redis-credentials"): {
        "ingress-password", "proxy-password", "exporter-password", "operator-password", "scaler-password"},
    ("redis-stream-demo", "redis-stream-demo-tls"): {"tls.crt", "tls.key"},
    ("monitoring", "grafana-admin"): {"password"},
}

# Our own: the program in each, with the name of its container.
PROGRAMS = {"ingress-service": "ingress", "proxy-service": "proxy"}


class Manifests:
    """The objects of one variant, by what is asked of them."""

    def __init__(self, variant, objects):
        self.variant = variant
        self.objects = objects

    def of(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def workloads(self):
        return self.of("Deployment", "StatefulSet")

    def find(self, kind, namespace, name):
        return next((each for each in self.of(kind)
                     if (each["metadata"].get("namespace"), each["metadata"]["name"]) == (namespace, name)), None)

    def scalers(self):
        return self.of("HorizontalPodAutoscaler", "ScaledObject")

    def selected(self, namespace, selector):
        return [each for each in self.workloads()
                if each["metadata"]["namespace"] == namespace and network.selects(selector, pod_labels(each))]


def title(each):
    return f"{each['kind']} {each['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]["spec"]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def containers(workload, init=True):
    return (pod(workload).get("initContainers", []) if init else []) + pod(workload)["containers"]


def ports(workload):
    """The container ports, by name and by number."""
    found = {}
    for container in containers(workload, init=False):
        for port in container.get("ports", []):
            found[port["name"]] = found[port["containerPort"]] = port["containerPort"]
    return found


def probes(container):
    return {name: container[name + "Probe"] for name in ("startup", "readiness", "liveness")
            if name + "Probe" in container}


def seconds(text):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|h)", text).groups()
    return float(number) * units[unit]


def quantity(text):
    """Of Kubernetes, or of Redis: `mb` is 1024 squared there.

    >>> quantity("250m"), quantity("64Mi") == quantity("64mb"), quantity("2")
    (0.25, True, 2.0)
    """
    units = {"": 1, "m": 0.001, "K": 1e3, "M": 1e6, "G": 1e9, "KB": 1e3, "MB": 1e6, "GB": 1e9,
             "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * units[unit]


def effective(manifests, workload, key, default=None):
    """The value of a setting in the pods: their own variable before the ConfigMap."""
    for variable in pod(workload)["containers"][0].get("env", []):
        if variable["name"] == key:
            return variable.get("value")
    config_map = manifests.find("ConfigMap", workload["metadata"]["namespace"], "app-config")
    return (config_map["data"] if config_map else {}).get(key, default)


def bounds(scaler):
    """The least and the most pods, of an autoscaler or of KEDA's."""
    spec = scaler["spec"]
    return (spec.get("minReplicas", spec.get("minReplicaCount")), spec.get("maxReplicas", spec.get("maxReplicaCount")))
