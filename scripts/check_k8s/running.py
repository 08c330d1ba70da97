"""Settings, leaving, health, memory, images: what the programs need of their pods."""

import re

from .objects import PROGRAMS, bounds, containers, effective, pod, ports, probes, quantity, seconds, title
from .registry import check

# What a node of 2 CPUs and 8 GiB has to spare beside the cluster's own pods, an ingress controller and a metrics
# server.
NODE_CPU, NODE_MEMORY = 0.7, 4 << 30

# What an ingress takes itself, and for each connection whose caller waits: a tenth more than docs/performance.md measured
# (`waiting`).
INGRESS_MEMORY, CALLER_MEMORY = 22 << 20, 39 << 10


@check
def settings(manifests, repository):
    config_map = manifests.find("ConfigMap", "redis-stream-demo", "app-config")
    shared = config_map["data"] if config_map else {}
    for key in sorted(set(shared) - set().union(*repository.settings.values())):
        yield f"app-config has {key}, which no program reads"
    for key in sorted(key for key, value in shared.items() if not isinstance(value, str)):
        yield f"{key} in app-config is no text: put it in quotes"
    for name, program in PROGRAMS.items():
        workload = manifests.find("Deployment", "redis-stream-demo", name)
        container = next(each for each in containers(workload) if each["name"] == program)
        own = {variable["name"]: str(variable.get("value", "")) for variable in container["env"]}
        # What is there for another variable's sake alone. Kubernetes puts in what stands before, and nothing else.
        parts = set()
        for key, value in own.items():
            for part in re.findall(r"\$\(([A-Z_]+)\)", value):
                if part not in list(own)[:list(own).index(key)]:
                    yield f"{name}: {key} is made of {part}, which does not stand before it"
                parts.add(part)
        for key in sorted(set(own) - repository.settings[program] - parts):
            yield f"{name} sets {key}, which {program} does not read"
        variables = {**{key: str(value) for key, value in shared.items()}, **own}
        for key, value in variables.items():
            variables[key] = re.sub(r"\$\([A-Z_]+\)", "a-name", value)
        said = repository.refusal(program, variables) if repository.refusal else None
        if said:
            yield f"{program} refuses its settings: {said}"
        listens = {"http": effective(manifests, workload, "LISTEN"),
                   "admin": effective(manifests, workload, "ADMIN_LISTEN")}
        for port, address in listens.items():
            if address != f"0.0.0.0:{ports(workload).get(port)}":
                yield f"{name} listens on {address}, and its port {port} is {ports(workload).get(port)}"


@check
def leaving(manifests, repository):
    for name in PROGRAMS:
        workload = manifests.find("Deployment", "redis-stream-demo", name)
        spec = pod(workload)
        hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        delay = seconds(effective(manifests, workload, "DRAIN_DELAY", "0s"))
        drain = seconds(effective(manifests, workload, "DRAIN_TIMEOUT", "25s"))
        longest = seconds(effective(manifests, workload, "REQUEST_TIMEOUT", "30s"))
        grace = spec.get("terminationGracePeriodSeconds", 30)
        if not grace > hook + delay + drain + 5:
            yield f"{name} is killed after {grace} s, and takes {hook} + {delay} + {drain} + 5 s to leave"
        if name == "ingress-service" and (hook == 0 or drain < longest):
            yield f"{name}: callers of the last moment wait for {longest} s, the drain ends after {drain} s"
        rolling = workload["spec"]["strategy"]["rollingUpdate"]
        if rolling["maxUnavailable"] != 0 or rolling["maxSurge"] in (0, "0%"):
            yield f"{name} goes below its number of pods in a rollout"


@check
def health(manifests, repository):
    for each in manifests.workloads():
        for container in containers(each, init=False):
            name = each["metadata"]["name"]
            if not {"readiness", "liveness"} <= set(probes(container)):
                yield f"{title(each)}: {container['name']} has no readiness or no liveness probe"
            if name not in PROGRAMS:
                continue
            for probe, path in (("startup", "live"), ("readiness", "ready"), ("liveness", "live")):
                asked = probes(container).get(probe, {}).get("httpGet")
                if asked != {"path": f"/health/{path}", "port": "admin"}:
                    yield f"{name}: the {probe} probe asks {asked}, not /health/{path} on the admin port"


@check
def memory(manifests, repository):
    for each in manifests.workloads():
        for container in containers(each):
            resources = container.get("resources", {})
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            if not {"cpu", "memory"} <= set(requests) or "memory" not in limits:
                yield f"{title(each)}: {container['name']} has no requests, or no limit of memory"
            elif quantity(requests["memory"]) > quantity(limits["memory"]):
                yield f"{title(each)}: {container['name']} asks for more memory than it may have"
    ingress = manifests.find("Deployment", "redis-stream-demo", "ingress-service")
    callers = int(effective(manifests, ingress, "MAX_CONNECTIONS", "10000"))
    limits = pod(ingress)["containers"][0].get("resources", {}).get("limits", {})
    if not INGRESS_MEMORY + callers * CALLER_MEMORY <= quantity(limits.get("memory", "0")):
        yield f"ingress-service lets in {callers} callers, for whom it has no memory"
    redis = manifests.find("StatefulSet", "redis-stream-demo", "redis")
    container = pod(redis)["containers"][0]
    arguments = container.get("args", [])
    bound = quantity(arguments[arguments.index("--maxmemory") + 1]) if "--maxmemory" in arguments else 0
    # A rewrite of the append-only file may double what is there, and what is no data comes on top.
    if not 0 < bound * 2.2 <= quantity(container["resources"]["limits"]["memory"]):
        yield f"Redis may fill {bound:.0f} bytes, and its limit leaves no room to write them anew"
    conf = manifests.find("ConfigMap", "redis-stream-demo", "redis-config")["data"]["redis.conf"]
    for line in ("maxmemory-policy noeviction", "appendonly yes", "appendfsync everysec"):
        if line not in conf.splitlines():
            yield f"redis.conf lacks: {line}"
    for each in manifests.workloads():
        if each["metadata"]["name"] == "prometheus":
            kept = next((argument.split("=")[1] for argument in pod(each)["containers"][0]["args"]
                         if argument.startswith("--storage.tsdb.retention.size=")), "1000GB")
            volume = each["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
            if not quantity(kept) <= 0.85 * quantity(volume):
                yield f"Prometheus keeps {kept} on a volume of {volume}"


@check
def single_node(manifests, repository):
    """Whether all of it fits on a small node, with every autoscaler at its maximum and one surging pod of each."""
    if "single-node" not in manifests.variant:
        return
    most = {each["spec"]["scaleTargetRef"]["name"]: bounds(each)[1] for each in manifests.of("HorizontalPodAutoscaler")}
    cpu = held = 0
    for each in manifests.workloads():
        count = most.get(each["metadata"]["name"], each["spec"].get("replicas", 1))
        count += each["metadata"]["name"] in PROGRAMS
        for container in containers(each, init=False):
            cpu += count * quantity(container["resources"]["requests"]["cpu"])
            held += count * quantity(container["resources"]["limits"]["memory"])
    if cpu > NODE_CPU or held > NODE_MEMORY:
        yield f"it asks for {cpu:.2f} CPUs and may hold {held / (1 << 30):.2f} GiB"


@check
def images(manifests, repository):
    for each in manifests.workloads():
        for container in containers(each):
            image = container["image"]
            name, _, tag = image.rpartition(":")
            if not name or not re.search(r"[0-9]+\.[0-9]+\.[0-9]+", tag):
                yield f"{title(each)}: {image} has no tag of one version"
            if container.get("imagePullPolicy") != "IfNotPresent":
                yield f"{title(each)}: {image} is not taken from the node where it is there"
            same = [other for other in repository.compose_images if other.rpartition(":")[0] == name]
            if same and image not in same:
                yield f"{title(each)}: {image}, and in docker-compose.yml {same}"
            if name.startswith("redis-stream-demo/") and tag != repository.version:
                yield f"{title(each)}: {image}, and the version is {repository.version}"
            version = str(each["metadata"]["labels"].get("app.kubernetes.io/version"))
            if container in containers(each, init=False) and version not in tag:
                yield f"{title(each)} is labelled {version} and runs {image}"
