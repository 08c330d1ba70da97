"""The restricted level, network policies, users of Redis."""

import re

from . import network
from .objects import (
    INSTANCE, NAMESPACES, PROGRAMS, SECRETS, containers, effective, pod, pod_labels, title,
)
from .registry import check

# The one pod that talks to the API server.
WITH_TOKEN = {"prometheus"}


@check
def restricted(manifests, repository):
    """The restricted level of the pod security standards, and what of it they leave open."""
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for each in manifests.workloads():
        name, spec = title(each), pod(each)
        for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            if spec.get(key):
                yield f"{name} has {key}"
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{name} may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} has no seccomp profile"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets variables by the names of services"
        if spec.get("automountServiceAccountToken") is not (each["metadata"]["name"] in WITH_TOKEN):
            yield f"{name}: whether it gets a token is not as it should be"
        for volume in spec.get("volumes", []):
            if set(volume) - {"name"} - kinds:
                yield f"{name} mounts {volume}"
            if "secret" in volume and volume["secret"].get("defaultMode") != 0o440:
                yield f"{name}: {volume['name']} can be read by more than its group"
        if any(set(volume) & {"secret"} for volume in spec.get("volumes", [])) and not context.get("fsGroup"):
            yield f"{name} cannot read its Secrets without fsGroup"
        if each["spec"].get("volumeClaimTemplates") and not context.get("fsGroup"):
            yield f"{name} cannot write to its volume without fsGroup"
        for container in containers(each):
            inner = container.get("securityContext", {})
            if inner.get("allowPrivilegeEscalation") is not False or inner.get("privileged"):
                yield f"{name}: {container['name']} may gain privileges"
            if inner.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name}: {container['name']} keeps capabilities"
            if inner.get("readOnlyRootFilesystem") is not True:
                yield f"{name}: {container['name']} may write to its image"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{name}: {container['name']} takes a port of the node"


@check
def network_policies(manifests, repository):
    pods = [(each["metadata"]["name"], each["metadata"]["namespace"], pod_labels(each))
            for each in manifests.workloads()]
    kinds = {each["kind"] for each in manifests.objects}
    proxy = manifests.find("Deployment", "redis-stream-demo", "proxy-service")
    if proxy and effective(manifests, proxy, "WEATHER_PROVIDER") == "open-meteo":
        kinds.add("open-meteo")
    if proxy and effective(manifests, proxy, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        kinds.add("traces")
    yield from network.compare(pods, manifests.of("NetworkPolicy"), kinds)
    for namespace in NAMESPACES:
        for each in manifests.of("NetworkPolicy"):
            spec = each["spec"]
            if (each["metadata"]["namespace"] == namespace and spec["podSelector"] == {}
                    and sorted(spec["policyTypes"]) == ["Egress", "Ingress"] and len(spec) == 2):
                break
        else:
            yield f"nothing denies what is not allowed in {namespace}"


@check
def redis_users(manifests, repository):
    data = manifests.find("ConfigMap", "redis-stream-demo", "redis-config")["data"]
    lines = {line.split()[1]: line for line in data["users.acl"].splitlines()}
    for name, line in repository.documented_users.items():
        if lines.get(name) != line:
            yield f"the user {name} is not that of docs/acl.md"
    for name, line in repository.compose_users.items():
        if lines.get(name) != line:
            yield f"the user {name} is not that of compose/users.acl"
    for name, line in lines.items():
        password = f" >{name.upper()}_PASSWORD "
        if name != "default" and password not in line:
            yield f"the user {name} has no password by the name{password}"
        if name not in ("default", "probe") and f"{name}-password" not in SECRETS[INSTANCE, "redis-credentials"]:
            yield f"nothing makes the password of {name}"
        if name != "default" and not re.search(rf"\bfor user in [^;]*\b{name}\b", data["make-users.sh"]):
            yield f"the init container does not make the user {name}"
    used = {name: effective(manifests, manifests.find("Deployment", INSTANCE, name), "REDIS_USERNAME")
            for name in PROGRAMS}
    for name, user in used.items():
        if user not in lines:
            yield f"{name} comes to Redis as {user}, who is not there"
