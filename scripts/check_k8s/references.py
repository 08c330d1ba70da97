"""ConfigMaps, Secrets, volumes, accounts and roles that are referred to are there, or are documented."""

from .derived import PREFIX, checksum
from .objects import SECRETS, containers, pod, title
from .registry import check


@check
def references(manifests, repository):
    for each in manifests.workloads():
        namespace = each["metadata"]["namespace"]
        if not manifests.find("ServiceAccount", namespace, pod(each).get("serviceAccountName")):
            yield f"{title(each)} has no service account of its own"
        if each["kind"] == "StatefulSet":
            service = manifests.find("Service", namespace, each["spec"]["serviceName"])
            if not service or service["spec"].get("clusterIP") != "None":
                yield f"{title(each)} is named by {each['spec']['serviceName']}, which is no headless service here"
        for name, keys, optional in config_maps_of(each):
            config_map = manifests.find("ConfigMap", namespace, name)
            if config_map is None and not optional:
                yield f"{title(each)} takes the ConfigMap {name}, which is not there"
            for key in keys if config_map else []:
                if key not in config_map["data"]:
                    yield f"{title(each)} takes {key} of the ConfigMap {name}, which has none"
        for name, keys in secrets_of(each):
            yield from of_the_documented(title(each), namespace, name, keys)
        yield from mounts(each)
    for each in manifests.of("TriggerAuthentication"):
        namespace = each["metadata"]["namespace"]
        for reference in each["spec"].get("secretTargetRef", []):
            yield from of_the_documented(title(each), namespace, reference["name"], [reference["key"]])
        for reference in each["spec"].get("configMapTargetRef", []):
            config_map = manifests.find("ConfigMap", namespace, reference["name"])
            if not config_map or reference["key"] not in config_map["data"]:
                yield f"{title(each)} takes {reference['key']} of {reference['name']}, which is not there"
    for each in manifests.of("RoleBinding"):
        if not manifests.find("Role", each["metadata"]["namespace"], each["roleRef"]["name"]):
            yield f"{title(each)} grants a role that is not there"
        for subject in each["subjects"]:
            if not manifests.find("ServiceAccount", subject["namespace"], subject["name"]):
                yield f"{title(each)} is for {subject['name']}, who is not there"
    for each in manifests.of("ClusterRole", "ClusterRoleBinding"):
        yield f"{title(each)} reaches beyond our namespaces"


def of_the_documented(who, namespace, name, keys):
    if (namespace, name) not in SECRETS:
        yield f"{who} takes the Secret {name}, which nothing makes"
    else:
        for key in set(keys) - SECRETS[namespace, name]:
            yield f"{who} takes {key} of the Secret {name}, which nothing makes"


def config_maps_of(workload):
    """(name, keys, whether it may be missing) of each ConfigMap that the pods take."""
    for container in containers(workload):
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"], [], False
    for volume in pod(workload).get("volumes", []):
        if "configMap" in volume:
            source = volume["configMap"]
            yield source["name"], [item["key"] for item in source.get("items", [])], source.get("optional", False)


def secrets_of(workload):
    for container in containers(workload):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], [reference["key"]]
    for volume in pod(workload).get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"], [item["key"] for item in volume["secret"].get("items", [])]


def mounts(workload):
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
    there = [volume["name"] for volume in pod(workload).get("volumes", [])] + claims
    used = {mount["name"] for container in containers(workload) for mount in container.get("volumeMounts", [])}
    for name in sorted(used ^ set(there)):
        yield f"{title(workload)}: the volume {name} is mounted and not there, or there and not mounted"
    for claim in workload["spec"].get("volumeClaimTemplates", []):
        if claim["spec"].get("accessModes") != ["ReadWriteOnce"] or "storageClassName" in claim["spec"]:
            yield f"{title(workload)}: the claim {claim['metadata']['name']} is not ReadWriteOnce of the default class"


@check
def checksums(manifests, repository):
    for each in manifests.workloads():
        annotations = each["spec"]["template"]["metadata"].get("annotations", {})
        for name, _keys, optional in config_maps_of(each):
            config_map = manifests.find("ConfigMap", each["metadata"]["namespace"], name)
            # Prometheus reads its files again by itself, and so does Grafana its dashboards.
            if config_map is None or optional or name == "prometheus-config":
                continue
            if annotations.get(PREFIX + name) != checksum(config_map):
                yield f"{title(each)} does not know of a change in {name}: scripts/check-k8s.py --write"
    prometheus = manifests.find("StatefulSet", "monitoring", "prometheus")
    if prometheus and "--enable-feature=auto-reload-config" not in pod(prometheus)["containers"][0]["args"]:
        yield "Prometheus does not read its configuration again"
